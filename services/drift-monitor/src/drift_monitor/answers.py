"""Which rows of a batch a pairing may count, and what is kept of each. Pure.

Also what went wrong is kept: a request that the Candidate failed is a bad pair, and one that it
turned away was not lost.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np

from drift_monitor.batches import EventBatch
from drift_monitor.windows import LENGTH_LIMITS, LENGTHS, callers_slices
from stats.quantiles import latency_buckets

_NUMBER = "#"
"""Between a request's id and the number of one of its several texts."""
_FIRST = frozenset({"", "0"})


class Answer(NamedTuple):
    """One row of a version that a pairing may count: one text of a `request`, the `first` of it or
    a further one, or a request that was not answered. `label` is empty without an answer,
    `fingerprint` where unknown; `latency_bucket` is a place among
    `stats.quantiles.latency_buckets`.
    """

    request_id: str
    request: str
    first: bool
    outcome: str
    label: str
    time: float
    fingerprint: str
    latency_bucket: int
    slices: tuple[str, ...]


class AnswerColumns(msgspec.Struct, array_like=True, gc=False):
    """The Answers of one batch as columns; `slices` says which of `slice_names` is a row's.

    Packed, a batch costs one write instead of hundreds, for as long as no pairing counts its rows.
    """

    request_id: Sequence[str]
    outcome: Sequence[str]
    label: Sequence[str]
    time: Sequence[float]
    fingerprint: Sequence[str]
    latency_bucket: Sequence[int]
    slices: Sequence[int]
    slice_names: Sequence[tuple[str, ...]]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.request_id)

    def rows(self) -> list[Answer]:
        """Return one Answer a row, also of requests that have none."""
        named = [name.partition(_NUMBER) for name in self.request_id]
        rows = map(
            Answer,
            self.request_id,
            [request for request, _, _ in named],
            [number in _FIRST for _, _, number in named],
            self.outcome,
            self.label,
            self.time,
            self.fingerprint,
            self.latency_bucket,
            [self.slice_names[place] for place in self.slices],
        )
        return list(rows)

    def pack(self) -> bytes:
        """Return what `unpack` reads."""
        return _ENCODER.encode(self)

    @staticmethod
    def unpack(packed: bytes) -> "AnswerColumns":
        """Read what `pack` made."""
        return _DECODER.decode(packed)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(AnswerColumns)


def answers_of(batch: EventBatch) -> AnswerColumns:
    """Return what a pairing may count of a batch."""
    labels = [*batch.labels, ""]  # -1, where there is none, is the last
    lengths = np.searchsorted(LENGTH_LIMITS, batch.words)
    seen, slices = np.unique(batch.kind * len(LENGTHS) + lengths, return_inverse=True)
    return AnswerColumns(
        request_id=batch.request_id,
        outcome=batch.outcome,
        label=[labels[place] for place in batch.label.tolist()],
        time=batch.time.tolist(),
        fingerprint=batch.fingerprint,
        latency_bucket=np.searchsorted(_edges(), batch.latency_ms, side="left").tolist(),
        slices=slices.tolist(),
        slice_names=[_names(batch, *divmod(place, len(LENGTHS))) for place in seen.tolist()],
    )


def _names(batch: EventBatch, kind: int, length: int) -> tuple[str, ...]:
    return (LENGTHS[length], *callers_slices(batch.kinds[kind]))


@cache
def _edges() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(latency_buckets())
