"""The Journal port on one small file per model. A lost or unreadable one costs waiting only."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lifecycle.rollouts import Phase
from rollout_controller.adapters.files import read_json, write_json
from rollout_controller.mirror_counts import MirrorTally
from rollout_controller.ports import Notes
from rollout_controller.tallies import Counters, Tally

_log = logging.getLogger(__name__)


class JournalFile:
    """Implements `ports.Journal`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, model: str) -> Notes:
        """Return the notes last saved."""
        document = read_json(self._path(model))
        try:
            return _notes(document) if document else Notes()
        except (AttributeError, KeyError, TypeError, ValueError):
            return Notes()

    def save(self, model: str, notes: Notes) -> None:
        """Replace a model's notes; a full disk must not keep a sick Candidate from going back."""
        try:
            write_json(self._path(model), asdict(notes))
        except OSError as error:
            _log.warning("notes not saved", extra={"model": model, "reason": str(error)})

    def _path(self, model: str) -> Path:
        return self._directory / f"{model}.notes.json"


def _notes(document: dict[str, Any]) -> Notes:
    tally, mirror = document["tally"], document.get("mirror")
    return Notes(
        _tally(tally) if tally else None,
        document["resumed_at"],
        _mirror(mirror) if mirror else None,
    )


def _tally(written: dict[str, Any]) -> Tally:
    both = ("seen", "baseline_seen")
    seen = {
        name: {address: Counters(**each) for address, each in written.get(name, {}).items()}
        for name in both
    }
    totals = {name: Counters(**written.get(name, {})) for name in ("total", "baseline")}
    return Tally(**{**written, **seen, **totals, "phase": Phase(written["phase"])})


def _mirror(written: dict[str, Any]) -> MirrorTally:
    readings = tuple((float(time), int(requests)) for time, requests in written["readings"])
    return MirrorTally(**{**written, "readings": readings})
