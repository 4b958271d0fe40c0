"""Batches of one version that arrived in one bucket of time, counted as one. Pure.

The tables are touched once a Slice, and sums over Slices are one matrix product: a tenth of what
batch by batch costs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, compress
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from drift_monitor.batches import EventBatch
from drift_monitor.parts import parts_of
from drift_monitor.ports import Record
from drift_monitor.references import rows_of
from drift_monitor.sketches import Floats, Rows, Sketcher
from drift_monitor.windows import boundary_after, callers_slices
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

    @cached_property
    def named(self) -> Mapping[str, int]:
        """The Slices that callers named, with how many answered rows each has."""
        found: dict[str, int] = {}
        for batch in self.batches:
            rows = np.bincount(batch.kind[batch.answered], minlength=len(batch.kinds)).tolist()
            for kind, n in zip(batch.kinds, rows, strict=True):
                for name in callers_slices(kind) if n else ():
                    found[name] = found.get(name, 0) + n
        return found

    def parts(self, admitted: Callable[[str], bool], languages: Sequence[str]) -> "Iterator[Part]":
        """Yield the answered rows in pieces that fit into memory, with Slices of these languages
        and of those that callers name which are `admitted`.
        """
        answered = [batch for batch in self.batches if batch.answered.any()]
        for start in range(0, len(answered), _AT_ONCE):
            yield Part(answered[start : start + _AT_ONCE], admitted, languages)


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
    """The answered rows of a few batches, of the Slices that are `admitted`."""

    def __init__(
        self,
        batches: Sequence[EventBatch],
        admitted: Callable[[str], bool],
        languages: Sequence[str],
    ) -> None:
        self._batches = batches
        self.rows = Rows.join([rows_of(batch) for batch in batches])
        found = {**parts_of(self.rows, languages).rows, **dict(self._named(admitted))}
        self._members = {name: rows for name, rows in found.items() if rows.any()}

    def sums(
        self, sketcher: Sketcher, yardstick: Yardstick, share_of: Callable[[str], float]
    ) -> tuple[Measured, dict[str, Sums]]:
        """Return the rows measured, and by Slice what they add up to.

        Of a Slice's rows only a random share goes into the sums of vectors; which, is the same
        whenever these batches are counted.
        """
        vectors = sketcher.vectors(self.rows)
        measured = yardstick.measure(self.rows, vectors[:, sketcher.part("features")])
        picks = np.stack(list(self._members.values())).astype(vectors.dtype)
        seen = picks.sum(axis=1)
        counted = (picks @ yardstick.columns(measured)).astype(np.float64)
        shares = np.array([share_of(name) for name in self._members])
        picks *= self._chances < shares[:, None]
        sketched = (picks @ vectors).astype(np.float64)
        judged = picks.sum(axis=1)
        return measured, {
            name: Sums(int(seen[i]), int(judged[i]), sketched[i], counted[i])
            for i, name in enumerate(self._members)
        }

    @cached_property
    def request_ids(self) -> list[str]:
        """The request id of each row."""
        return [
            name
            for batch in self._batches
            for name in compress(batch.request_id, batch.answered.tolist())
        ]

    def slices(self, position: int) -> tuple[str, ...]:
        """Name the Slices of one row."""
        return tuple(name for name, rows in self._members.items() if rows[position])

    def _named(self, admitted: Callable[[str], bool]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield the callers' Slices with which rows are theirs."""
        kinds = [kind for batch in self._batches for kind in batch.kinds]
        starts = accumulate((len(batch.kinds) for batch in self._batches), initial=0)
        of_rows = [b.kind[b.answered] + start for b, start in zip(self._batches, starts)]  # noqa: B905 - the last start is the end
        kind_of_row = np.concatenate(of_rows)
        having: dict[str, list[int]] = {}
        for place, kind in enumerate(kinds):
            for name in filter(admitted, callers_slices(kind)):
                having.setdefault(name, []).append(place)
        for name, places in having.items():
            has = np.zeros(len(kinds), dtype=bool)
            has[places] = True
            yield name, has[kind_of_row]

    @cached_property
    def _chances(self) -> Floats:
        seed = crc32(self._batches[0].batch_id.encode())
        return np.random.default_rng(seed).random(len(self.rows))


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
    numbered = [name for name in batch.request_id if "#" in name]
    return batch.rows - sum(not name.endswith("#0") for name in numbered)
