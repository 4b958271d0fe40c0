"""Batches of one version that arrived in one bucket of time, counted as one. Pure.

The tables are touched once a Slice, and sums over Slices are one matrix product: a tenth of what
batch by batch costs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np

from drift_monitor.batches import EventBatch
from drift_monitor.ports import Record
from drift_monitor.references import rows_of
from drift_monitor.sketches import Floats, Rows, Sketcher
from drift_monitor.windows import ALL, LENGTH_LIMITS, LENGTHS, MEASURED_KEYS, boundary_after
from drift_monitor.yardsticks import Measured, Yardstick

# Vectors of so many batches are in memory at once: 10 MB.
_AT_ONCE = 4


@dataclass(frozen=True)
class Tranche:
    """One version's batches that arrived in [start, start + window_seconds), oldest first."""

    start: float
    received_at: float
    batches: Sequence[EventBatch]

    @property
    def first(self) -> EventBatch:
        """The first batch: all name the same model, version and labels."""
        return self.batches[0]

    def parts(self) -> "Iterator[Part]":
        """Yield the answered rows in pieces that fit into memory."""
        for start in range(0, len(self.batches), _AT_ONCE):
            yield Part(self.batches[start : start + _AT_ONCE])


@dataclass(frozen=True)
class Sums:
    """What rows of one Slice add up to: `seen` rows in `counted`, `n` of them in `sketched`."""

    seen: int
    n: int
    sketched: Floats
    counted: Floats

    def __add__(self, other: "Sums") -> "Sums":
        """Add more rows of the Slice."""
        return Sums(
            self.seen + other.seen,
            self.n + other.n,
            self.sketched + other.sketched,
            self.counted + other.counted,
        )


class Part:
    """The answered rows of a few batches."""

    def __init__(self, batches: Sequence[EventBatch]) -> None:
        self._batches = batches
        self.rows = Rows.join([rows_of(batch) for batch in batches])

    @cached_property
    def members(self) -> Mapping[str, list[int]]:
        """The positions of each Slice's rows."""
        lengths = np.searchsorted(np.log1p(LENGTH_LIMITS), self.rows.measures["length"])
        found = {ALL: list(range(len(self.rows)))}
        found |= {name: np.flatnonzero(lengths == i).tolist() for i, name in enumerate(LENGTHS)}
        named: dict[tuple[str, str], list[int]] = {}
        position = 0
        for batch in self._batches:
            for row in batch.answered_rows:
                for pair in batch.slices[row].items():
                    if pair[0] not in MEASURED_KEYS:
                        named.setdefault(pair, []).append(position)
                position += 1
        found |= {f"{key}={value}": rows for (key, value), rows in named.items()}
        return {name: rows for name, rows in found.items() if rows}

    def sums(
        self, sketcher: Sketcher, yardstick: Yardstick, share_of: Callable[[str], float]
    ) -> tuple[Measured, dict[str, Sums]]:
        """Return the rows measured, and by Slice what they add up to.

        Of a Slice's rows only a random share goes into the sums of vectors; which, is the same
        whenever these batches are counted.
        """
        vectors = sketcher.vectors(self.rows)
        measured = yardstick.measure(self.rows, vectors[:, sketcher.part("features")])
        columns = yardstick.columns(measured)
        picks = np.zeros((len(self.members), len(self.rows)), dtype=vectors.dtype)
        for pick, rows in zip(picks, self.members.values(), strict=True):
            pick[rows] = 1
        counted = (picks @ columns).astype(np.float64)
        shares = np.array([share_of(name) for name in self.members])
        picks *= self._chances < shares[:, None]
        sketched = (picks @ vectors).astype(np.float64)
        judged = picks.sum(axis=1)
        return measured, {
            name: Sums(len(rows), int(judged[i]), sketched[i], counted[i])
            for i, (name, rows) in enumerate(self.members.items())
        }

    @cached_property
    def _chances(self) -> Floats:
        seed = crc32(self._batches[0].batch_id.encode())
        return np.random.default_rng(seed).random(len(self.rows))

    @cached_property
    def request_ids(self) -> list[str]:
        """The request id of each row."""
        return [batch.request_id[row] for batch in self._batches for row in batch.answered_rows]

    def slices(self, position: int) -> tuple[str, ...]:
        """Name the Slices of one row."""
        return tuple(name for name, rows in self._sets.items() if position in rows)

    @cached_property
    def _sets(self) -> Mapping[str, frozenset[int]]:
        return {name: frozenset(rows) for name, rows in self.members.items()}


def tranches(
    batches: Sequence[tuple[Record, EventBatch]], window_seconds: float
) -> Iterator[Tranche]:
    """Yield batches by version and bucket, buckets in order."""
    groups: dict[tuple[float, str, tuple[str, ...]], list[tuple[Record, EventBatch]]] = {}
    for record, batch in batches:
        end = boundary_after(record.received_at, window_seconds)
        key = (end, batch.model + batch.version, batch.labels)
        groups.setdefault(key, []).append((record, batch))
    for (end, *_), held in groups.items():
        received_at = held[-1][0].received_at
        yield Tranche(end - window_seconds, received_at, [batch for _, batch in held])


def requests_in(batch: EventBatch) -> int:
    """Count the requests that a batch is about: a request's texts are rows ID#0, ID#1, ..."""
    return sum("#" not in name or name.endswith("#0") for name in batch.request_id)
