"""What `isogloss drift calibrate --verify` says of the film reviews: a quiet month, six drifts."""

from collections.abc import Iterator
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from bars import Bar, Report
from texts import LABELS, home_of_texts

from drift_monitor.adapters.databases import open_sqlite
from drift_monitor.verify import Trial, verify

_DAY_HOURS = 24


def check_bars(report: Report) -> Iterator[Bar]:
    """Replay them through the code that judges traffic."""
    raw = (home_of_texts() / "review.safetensors").read_bytes()
    with TemporaryDirectory() as folder:
        store = open_sqlite(Path(folder) / "replay.db", "replay")
        shown = verify(store, raw, LABELS, Trial())
        store.close()
    low, high = shown.twelve_weeks
    what = f"self-check, {shown.hours} quiet hours, {shown.signals} signals"
    yield report.shown("check-false", f"{what}: false findings", shown.false_findings)
    told = f"{what}: false findings in 12 weeks, lower 95% bound"
    yield report.at_most("check-false-lower", told, shown.budget, low)
    yield report.shown("check-false-upper", f"{what}: the same, upper 95% bound", high)
    for number, (drift, hours) in enumerate(shown.found_after_hours.items()):
        told = f"self-check, hours until found: {drift}"
        yield report.at_most(
            f"check-{number}", told, _DAY_HOURS, inf if hours is None else float(hours)
        )
