"""Which rows of a batch a pairing may count, and what is kept of each. Pure.

Also what went wrong is kept: a request that the Candidate failed is a bad pair, and one that it
turned away was not lost.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from drift_monitor.batches import EventBatch
from drift_monitor.windows import LENGTH_LIMITS, LENGTHS, MEASURED_KEYS
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


def answers_of(batch: EventBatch) -> list[Answer]:
    """Return one Answer a row, also of requests that have none. Column by column: it is hot."""
    named = [name.partition(_NUMBER) for name in batch.request_id]
    labels = [*batch.labels, ""]  # -1, where there is none, is the last
    buckets = np.searchsorted(_edges(), batch.latency_ms, side="left")
    rows = map(
        Answer,
        batch.request_id,
        [request for request, _, _ in named],
        [number in _FIRST for _, _, number in named],
        batch.outcome,
        [labels[place] for place in batch.label.tolist()],
        batch.time.tolist(),
        batch.fingerprint,
        buckets.tolist(),
        _slices(batch),
    )
    return list(rows)


def _slices(batch: EventBatch) -> list[tuple[str, ...]]:
    seen: dict[tuple[object, ...], tuple[str, ...]] = {}
    lengths = np.searchsorted(LENGTH_LIMITS, batch.words).tolist()
    found = []
    for length, given in zip(lengths, batch.slices, strict=True):
        key = (length, *given.items())
        if key not in seen:
            of_caller = (f"{k}={v}" for k, v in sorted(given.items()) if k not in MEASURED_KEYS)
            seen[key] = (LENGTHS[length], *of_caller)
        found.append(seen[key])
    return found


@cache
def _edges() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(latency_buckets())
