"""Counting what a Candidate did to users since a step began.

From counters that may restart, of processes that come and go; what was counted once stays counted.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace

from lifecycle.rollouts import Phase, Rollout


@dataclass(frozen=True)
class Counters:
    """A predictor's counters since its process began. `requests` are those it had to answer
    (a caller's own faults are not among them), `errors` those it failed or turned away; of the
    `answered` ones `over` took longer than the objective's latency.
    """

    requests: int = 0
    errors: int = 0
    answered: int = 0
    over: int = 0

    def plus(self, other: "Counters") -> "Counters":
        """Add field by field."""
        return Counters(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def since(self, earlier: "Counters") -> "Counters":
        """Subtract field by field; all of this one where it began anew since `earlier`."""
        pairs = list(zip(astuple(self), astuple(earlier), strict=True))
        if any(now < before for now, before in pairs):
            return self
        return Counters(*(now - before for now, before in pairs))


@dataclass(frozen=True)
class Reading:
    """What the predictors' pages say at one moment: counters by address, and how many requests
    have arrived at all of them and are not answered yet (None: not all of them say).
    """

    counters: Mapping[str, Counters]
    in_flight: int | None


@dataclass(frozen=True)
class Tally:
    """What was counted in one step of one Rollout, from when its route took effect (`began_at`)
    to the last reading (`read_at`), both in seconds since the epoch. `seen` holds each address's
    last counters: one that is new began after the step did, so all of its counts belong to it.
    `total` is the Candidate's, `baseline` what the Baseline did to other users meanwhile.
    `early`: the step's route is not in effect yet, but users get the Candidate's answers by the one
    before; that is enough to go back, and is let go of once the step has begun. `whole`: who counts
    saw the step begin, so nothing of it is missing.
    """

    rollout: str
    phase: Phase
    step: int
    began_at: float
    read_at: float
    seen: Mapping[str, Counters]
    total: Counters = Counters()
    baseline_seen: Mapping[str, Counters] = field(default_factory=dict)
    baseline: Counters = Counters()
    early: bool = False
    whole: bool = False

    def belongs_to(self, rollout: Rollout) -> bool:
        """Tell whether this counts the step that the Rollout is in."""
        return (self.rollout, self.phase, self.step) == (rollout.id, rollout.phase, rollout.step)

    def counting(self, read: Mapping[str, Counters], now: float) -> "Tally":
        """Return the Tally after one more reading of the Candidate."""
        total = _added(self.total, self.seen, read)
        return replace(self, read_at=now, seen={**self.seen, **read}, total=total)

    def counting_baseline(self, read: Mapping[str, Counters]) -> "Tally":
        """Return the Tally after one more reading of the Baseline; the first one only begins it."""
        begun = self.baseline_seen
        total = _added(self.baseline, begun, read) if begun else self.baseline
        return replace(self, baseline_seen={**self.baseline_seen, **read}, baseline=total)


def begin_tally(
    rollout: Rollout, read: Mapping[str, Counters], now: float, *, early: bool = False
) -> Tally:
    """Start counting at a step: what was counted before (mirrored copies, too) does not count."""
    return Tally(rollout.id, rollout.phase, rollout.step, now, now, read, early=early)


def _added(total: Counters, seen: Mapping[str, Counters], read: Mapping[str, Counters]) -> Counters:
    for address, counters in read.items():
        total = total.plus(counters.since(seen.get(address, Counters())))
    return total
