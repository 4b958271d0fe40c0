"""Adding up what a pairing counted: on slice all, on each Slice, and the latencies of its pairs.

Pure. Rows of the Baseline that look alike come counted together, as cells.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from drift_monitor.mirrored import Span
from drift_monitor.windows import ALL, LONG, MEDIUM, SHORT

_MOST_SLICES = 30
"""Callers name Slices; what Evidence states of them must stay small."""
Latencies = tuple[Mapping[int, int], Mapping[int, int]]


@dataclass(frozen=True)
class Cell:
    """Rows of the Baseline that look alike, `count` of them.

    `answered`: with a label; `reported`: the Candidate told what became of the same request, in
    `candidate_ok` with an answer; `paired`: of the same text; `right`, `candidate_right`: as the
    label says, None without one. `first`: the request's first text, the only one that errors are
    counted of.
    """

    slices: tuple[str, ...]
    count: int
    answered: bool
    reported: bool
    candidate_ok: bool
    paired: bool
    agrees: bool
    right: bool | None
    candidate_right: bool | None
    first: bool


@dataclass(frozen=True)
class Tally:
    """Counts of one pairing on one Slice.

    `eligible` are the Baseline's answers that count, each text once; `paired` those the Candidate
    answered too. Of the pairs with a label, wins are those only the Candidate had right. Of the
    requests that both reported on, `spared` are those that only the Baseline failed, `failed`
    those that only the Candidate did.
    """

    slice: str
    eligible: int = 0
    paired: int = 0
    disagreeing: int = 0
    labelled: int = 0
    wins: int = 0
    losses: int = 0
    reported: int = 0
    spared: int = 0
    failed: int = 0

    @property
    def agreeing(self) -> int:
        """Pairs with the same label."""
        return self.paired - self.disagreeing

    @property
    def missing(self) -> int:
        """Eligible answers that the Candidate never gave, or gave as an error."""
        return self.eligible - self.paired

    @property
    def bad(self) -> int:
        """What counts against the Candidate: a different answer or none."""
        return self.disagreeing + self.missing

    @property
    def coverage(self) -> float:
        """Share of the eligible that became pairs; 0 without any."""
        return self.paired / self.eligible if self.eligible else 0.0

    def plus(self, other: "Tally") -> "Tally":
        """Add count by count; the Slice stays."""
        counts = (f.name for f in fields(self) if f.name != "slice")
        return replace(
            self, **{name: getattr(self, name) + getattr(other, name) for name in counts}
        )


@dataclass(frozen=True)
class Tallies:
    """All that a pairing counted over a Span. `latencies` holds (candidate, baseline), each how
    many pairs fell into which of `stats.quantiles.latency_buckets`.
    """

    span: Span
    all: Tally
    slices: tuple[Tally, ...]
    latencies: Latencies


def add_up(span: Span, cells: Iterable[Cell], reported: int, latencies: Latencies) -> Tallies:
    """Add cells up; `reported` is how many requests the Candidate told of in the Span's time.

    Requests that the gateway mirrored and nobody told of are missing on slice all: of which Slice
    they were is not known.
    """
    by_slice = {name: Tally(name) for name in (ALL, SHORT, MEDIUM, LONG)}
    for cell in cells:
        counted = _tally(cell)
        for name in (ALL, *cell.slices):
            by_slice[name] = by_slice.get(name, Tally(name)).plus(counted)
    whole = by_slice.pop(ALL)
    lost = max(0, span.mirrored - reported) if span.mirrored is not None else 0
    return Tallies(
        span, replace(whole, eligible=whole.eligible + lost), _largest(by_slice), latencies
    )


def _tally(cell: Cell) -> Tally:
    labelled = cell.paired and cell.right is not None
    told = cell.first and cell.reported
    return Tally(
        slice=ALL,
        eligible=cell.count * cell.answered,
        paired=cell.count * cell.paired,
        disagreeing=cell.count * (cell.paired and not cell.agrees),
        labelled=cell.count * labelled,
        wins=cell.count * bool(labelled and cell.candidate_right and not cell.right),
        losses=cell.count * bool(labelled and cell.right and not cell.candidate_right),
        reported=cell.count * told,
        spared=cell.count * (told and cell.candidate_ok and not cell.answered),
        failed=cell.count * (told and cell.answered and not cell.candidate_ok),
    )


def _largest(by_slice: Mapping[str, Tally]) -> tuple[Tally, ...]:
    seen = [tally for tally in by_slice.values() if tally.eligible or tally.reported]
    ordered = sorted(seen, key=lambda tally: (-tally.eligible, tally.slice))
    return tuple(sorted(ordered[:_MOST_SLICES], key=lambda tally: tally.slice))
