"""Which rows of a batch a pairing may count, and what is kept of each. Pure.

Also what went wrong is kept: a request that the Candidate failed is a bad pair, and one that it
turned away was not lost.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from drift_monitor.batches import EventBatch
from drift_monitor.windows import ALL, slices_of
from stats.quantiles import latency_buckets

_NUMBER = "#"
"""Between a request's id and the number of one of its several texts."""


@dataclass(frozen=True)
class Answer:
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


def answers_of(batch: EventBatch) -> list[Answer]:
    """Return one Answer a row, also of requests that have none."""
    buckets = np.searchsorted(_edges(), batch.latency_ms, side="left").tolist()
    return [
        Answer(
            request_id=batch.request_id[row],
            request=batch.request_id[row].partition(_NUMBER)[0],
            first=batch.request_id[row].partition(_NUMBER)[2] in {"", "0"},
            outcome=batch.outcome[row],
            label=batch.labels[batch.label[row]] if batch.label[row] >= 0 else "",
            time=float(batch.time[row]),
            fingerprint=batch.fingerprint[row],
            latency_bucket=buckets[row],
            slices=_slices(batch, row),
        )
        for row in range(batch.rows)
    ]


def _slices(batch: EventBatch, row: int) -> tuple[str, ...]:
    named = slices_of(float(batch.words[row]), batch.slices[row])
    return tuple(name for name in named if name != ALL)


@cache
def _edges() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(latency_buckets())
