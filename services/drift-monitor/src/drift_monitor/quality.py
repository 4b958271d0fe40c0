"""What is known of how often a version is right on one Slice, without labels and with them. Pure.

Without labels it is an estimate, and only as good as the likeness to the labelled rows that it
was calibrated on: with more than a few novel texts it is not trusted. With labels it is measured.
What follows from it (a page, a ticket) is decided elsewhere.
"""

from dataclasses import dataclass
from math import inf

from stats.bounds import Bounds

# Of quiet traffic 1 in 100 is novel by construction. From 5 on the estimate is too high by points.
MOST_NOVEL = 0.05


@dataclass(frozen=True)
class Quality:
    """One Slice of one version over [start, end).

    `floor` is the accuracy that was promised: the Reference's less what may be lost. `estimated`
    is from confidences, `novelty` the share of rows unlike the Reference. `measured` is from the
    labelled rows of a cohort that ended at `measured_until`, None while there are too few.
    `degraded`: labels looked at one by one said that the error is above what was promised, with
    an error of 5 % a quarter.
    """

    slice: str
    start: float
    end: float
    floor: float
    novelty: float
    estimated: Bounds
    measured: Bounds | None
    degraded: bool
    measured_until: float = inf

    @property
    def trusted(self) -> bool:
        """Whether the estimate may be believed."""
        return self.novelty <= MOST_NOVEL

    @property
    def measured_now(self) -> Bounds | None:
        """What was measured with labels of this time; None with those of an earlier one."""
        return self.measured if self.measured_until > self.start else None

    @property
    def may_be_harmed(self) -> bool:
        """Whether less than the floor cannot be ruled out: by labels of this time where there are
        any, else by an estimate that is trusted; one that is not rules nothing out.
        """
        if self.degraded:
            return True
        if self.measured_now is not None:
            return self.measured_now.lower < self.floor
        return not self.trusted or self.estimated.lower < self.floor
