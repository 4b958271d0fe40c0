"""Buckets of time: what one Slice's rows in [start, start + length) add up to. They merge.

What can be said of quality, the weekly report and what is drawn for labelling all read these, so
a version costs a few hundred bytes a Slice and hour, however many texts come.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor

from drift_monitor.sketches import Floats


@dataclass(frozen=True)
class Bucket:
    """n rows of a version (by digest) on a Slice; `sums` are in the order of its yardstick."""

    version: str
    slice: str
    start: float
    n: int
    sums: Floats


@dataclass(frozen=True)
class PastReading:
    """What one Window that ended at `end` said about one signal."""

    slice: str
    detector: str
    end: float
    n: int
    statistic: float
    p_value: float
    cusum: float
    threshold: float


def cohort_of(bucket_start: float, cohort_seconds: float) -> float:
    """Return when the cohort began that rows of this bucket are drawn for labelling in."""
    return floor(bucket_start / cohort_seconds) * cohort_seconds


def add_up(buckets: Iterable[Bucket]) -> tuple[int, Floats] | None:
    """Return rows and sums of several buckets of one version; None without any."""
    held = list(buckets)
    if not held:
        return None
    sums = held[0].sums.copy()
    for bucket in held[1:]:
        sums += bucket.sums
    return sum(bucket.n for bucket in held), sums
