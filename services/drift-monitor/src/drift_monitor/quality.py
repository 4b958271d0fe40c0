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
        """Whether harm is to be feared: labels of this time say so; or they do not rule it out, and
        neither does the estimate, because it is low or not trusted.
        """
        labels = self.measured_now
        if self.degraded or (labels is not None and labels.upper < self.floor):
            return True
        if labels is not None and labels.lower >= self.floor:
            return False
        # 200 labels leave five points open either way: alone they would fear harm every week.
        return not self.trusted or self.estimated.lower < self.floor
