"""Counting what the gateway mirrored since a shadow's pairs count.

Where only some requests are mirrored nobody else knows how many answers are missing. The readings
are kept with their times, so that answers can be held against a count from before they were due.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, log2

_BETWEEN_SECONDS = 1.0
_ALL_OF_SECONDS = 16


@dataclass(frozen=True)
class MirrorTally:
    """What one Rollout's mirror copied since `since`. `seen` holds the last counter of each place
    that counts (one that is new there, or counts from 0 again, began since); `readings` are
    (time, requests) from `since` on, the newest last and the older ones more sparse.
    """

    rollout: str
    since: float
    seen: Mapping[str, int]
    total: int = 0
    readings: tuple[tuple[float, int], ...] = ()

    def counting(self, read: Mapping[str, int], now: float) -> "MirrorTally":
        """Return the tally after one more reading."""
        total = self.total + sum(_more(count, self.seen.get(key, 0)) for key, count in read.items())
        readings = self.readings
        if not readings or now - readings[-1][0] >= _BETWEEN_SECONDS:
            readings = _thinned((*readings, (now, total)))
        return replace(self, seen={**self.seen, **read}, total=total, readings=readings)


@dataclass(frozen=True)
class MirrorRead:
    """What is told of a mirror: its percentage now, and the gateway's count of it since `since`;
    without readings it is not known.
    """

    percent: int
    since: float
    readings: tuple[tuple[float, int], ...]


def begin_mirror_tally(rollout: str, read: Mapping[str, int], now: float) -> MirrorTally:
    """Start counting: what was mirrored before belongs to no pair that counts."""
    return MirrorTally(rollout, now, read, readings=((now, 0),))


def _more(count: int, before: int) -> int:
    return count - before if count >= before else count


def _thinned(readings: tuple[tuple[float, int], ...]) -> tuple[tuple[float, int], ...]:
    """Keep every reading of the last seconds, of older ones one in 2, 4, 8 ... seconds: however
    late answers may be, some reading fits, and a month needs about 150.
    """
    first, *others = readings
    now = readings[-1][0]
    return (first, *(each for each in others if _fits(each[0] - first[0], now - each[0])))


def _fits(second: float, age: float) -> bool:
    doublings = max(0, ceil(log2(max(age, 1) / _ALL_OF_SECONDS)))
    return int(second) % (1 << doublings) == 0
