"""A Reference's own rows as traffic: event batches, counted and judged as real ones are.

One half of the rows stands for the Reference, the other for the traffic, so that neither has seen
the other. The clock is moved by hand, an hour at a time.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from drift_monitor.batches import MAX_ROWS, SCHEMA
from drift_monitor.count import Rules, close_windows, count_records
from drift_monitor.detectors import FEWEST_ROWS
from drift_monitor.findings import Finding
from drift_monitor.judge import Judging, judge_windows
from drift_monitor.pace import Pace
from drift_monitor.ports import Record, ReferenceRefused, Store
from drift_monitor.quiet import Effort
from drift_monitor.references import read_languages
from drift_monitor.shelf import Shelf
from drift_monitor.standards import Standards

HOUR = 3600.0
_MODEL = "replayed"

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Halves:
    """A Reference and, of the same kind, traffic."""

    reference: bytes
    traffic: Columns
    labels: tuple[str, ...]
    languages: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows of traffic to draw from."""
        return len(self.traffic["label_indices"])


@dataclass(frozen=True)
class Texts:
    """Rows of traffic; `fingerprint` [n] tells texts apart."""

    columns: Columns
    fingerprint: list[str]

    def changed(self, **columns: NDArray[Any]) -> "Texts":
        """Return the same rows with other columns."""
        return replace(self, columns={**self.columns, **columns})


def split(raw: bytes, labels: tuple[str, ...], rng: np.random.Generator) -> Halves:
    """Part a reference.safetensors; raises ReferenceRefused when it is none or has few rows."""
    columns, languages = load(raw), read_languages(raw)
    rows = len(columns["label_indices"])
    if rows < 4 * FEWEST_ROWS:
        raise ReferenceRefused(f"{rows} rows cannot be parted: at least {4 * FEWEST_ROWS}")
    order = rng.permutation(rows)
    one, other = order[: rows // 2], order[rows // 2 :]
    named = {"languages": json.dumps(languages)}
    kept = save({name: values[one] for name, values in columns.items()}, metadata=named)
    traffic = {name: values[other] for name, values in columns.items()}
    return Halves(kept, traffic, labels, tuple(languages))


class Replay:
    """A monitor of one model on tables of its own."""

    def __init__(self, store: Store, halves: Halves, budget: float, effort: Effort) -> None:
        self._store = store
        self._halves = halves
        self._digest = _digest("version")
        self._now = HOUR
        self._sent = 0
        shelf = Shelf(_Kept(halves.reference), lambda: self._now)
        self._shelf = shelf
        pace = Pace()
        self._rules = Rules(HOUR, pair_limit=1, pace=pace)
        standards = Standards(store, effort)
        self._judging = Judging(shelf, standards, budget, HOUR, lambda *_: None, pace)

    def begin_anew(self, name: str) -> None:
        """Go on with another version of the same bytes: no Windows, no findings, the same nulls."""
        before, self._digest = self._digest, _digest(name)
        reference = self._shelf.find(before, self._halves.labels)
        with self._store.begin() as transaction:
            for part in reference.parts.rows if reference else ():
                content = transaction.nulls.load(before, part)
                if content:
                    transaction.nulls.save(self._digest, part, content)

    def hour(self, texts: Texts) -> list[Finding]:
        """Send an hour's texts and return the findings that are new when it is over."""
        rows = len(texts.fingerprint)
        starts = range(0, rows, MAX_ROWS)
        records = [self._record(texts, start, min(start + MAX_ROWS, rows)) for start in starts]
        count_records(records, self._store, self._shelf, self._rules)
        self._now += HOUR
        close_windows(self._store, self._now, HOUR)
        found = judge_windows(self._store, self._now, self._judging)
        with self._store.read() as transaction:
            monitors = transaction.drift.monitors(self._digest)
        for slice_name, states in monitors.items():
            last = next(iter(states.values())).last
            if last is not None:
                self._judging.pace.learn(self._digest, slice_name, last, HOUR)
        return found

    def signals(self) -> int:
        """Return how many signals are watched, over all Slices."""
        with self._store.read() as transaction:
            return sum(map(len, transaction.drift.monitors(self._digest).values()))

    def _record(self, texts: Texts, start: int, end: int) -> Record:
        self._sent += 1
        columns = {name: values[start:end] for name, values in texts.columns.items()}
        rows = end - start
        names = [f"{self._sent}-{row}" for row in range(rows)]
        projection = columns["projection"].astype("<f2").tobytes()
        languages = [self._halves.languages[index] for index in columns["language_index"]]
        document = {
            "schema": SCHEMA,
            "batch_id": f"{self._digest[7:15]}-{self._sent}",
            "model": _MODEL,
            "version": self._digest,
            "labels": self._halves.labels,
            "rows": rows,
            "columns": {
                **{name: columns[name].tolist() for name in _SENT},
                "request_id": names,
                "time": [self._now] * rows,
                "outcome": ["ok"] * rows,
                "latency_ms": [1.0] * rows,
                "label": columns["label_indices"].tolist(),
                "language": languages,
                "projection": projection,
                "fingerprint": texts.fingerprint[start:end],
                "slices": [{} for _ in range(rows)],
            },
        }
        return Record(self._sent, self._now, msgpack.packb(document))


_SENT = ("scores", "words", "oov", "non_letter", "truncated")


class _Kept:
    """Implements `ports.References` with one file for all versions."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def fetch(self, _digest: str) -> bytes:
        return self._content


def _digest(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()
