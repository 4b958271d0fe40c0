"""How many requests the gateway mirrored, and over which time that can be held against answers.

Where all requests are mirrored, the Baseline's own answers say which pairs are missing. Where only
some are, nobody but the gateway knows: its count of them, less those that the Candidate reported
on, was lost, late or never answered. What is unknown is never taken for good.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from drift_monitor.pairings import ALL_REQUESTS, Pairing


@dataclass(frozen=True)
class MirrorCount:
    """The gateway's own count, as somebody read it again and again: (time, requests mirrored
    since `since`), oldest first. `percent` is the share that is mirrored now.
    """

    percent: int
    since: float
    readings: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Span:
    """Which of the Baseline's answers count: those in [since, until), until None: all from then.

    One without the Candidate's answer counts once it was received before `settled_before`, and
    one that came `late_after` seconds after the Baseline's is none; where the mirror is `partial`,
    only requests count that the Candidate reported on. `mirrored`: what the gateway counted in
    that time, None where that is not known, or not needed.
    """

    since: float
    until: float | None
    settled_before: float
    late_after: float
    partial: bool = False
    mirrored: int | None = None


@dataclass(frozen=True)
class Settled:
    """What arrived before `before` (seconds since the epoch) waits for nothing any more, as answers
    may be `lag` seconds late.
    """

    before: float
    lag: float


def span_of(pairing: Pairing, mirror: MirrorCount | None, settled: Settled) -> Span:
    """Return the longest time over which a pairing can be counted now."""
    times = (settled.before, settled.lag)
    until = _earliest(pairing.until, pairing.full_at)
    percent = min(pairing.mirror_percent, mirror.percent if mirror else ALL_REQUESTS)
    if percent == ALL_REQUESTS:
        return Span(pairing.since, until, *times)
    # Of later requests the Candidate's report may still be on its way.
    latest = _earliest(until, settled.before) or settled.before
    known = [each for each in mirror.readings if each[0] <= latest] if mirror else []
    if mirror is None or not known:
        return Span(pairing.since, until, *times, partial=True)
    read_at, requests = known[-1]
    since = max(pairing.since, mirror.since)
    return Span(since, read_at, *times, partial=True, mirrored=requests)


def _earliest(*times: float | None) -> float | None:
    return min(_known(times), default=None)


def _known(times: Iterable[float | None]) -> list[float]:
    return [time for time in times if time is not None]
