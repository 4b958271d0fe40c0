"""One signal of one Slice over time: its CUSUM and its fast path. Pure.

A finding is due when the CUSUM crosses its threshold, or when two Windows in a row are so far off
that waiting would be wrong. Findings that follow each other closely are one: drift that lasts
crosses the threshold again every few Windows. How high the threshold is, is for quiet.
"""

from dataclasses import dataclass, field, replace

from stats.cusum import ALLOWANCE, THRESHOLD, Cusum
from stats.nulls import z_score
from stats.page_budget import Limit, Rules

# Twice in a row by chance: 1e-10 per Window, once in ten thousand years of 60 hourly monitors.
FAST_P = 1e-5
# A finding stays the same one until a day of hourly Windows went by without a crossing.
RULES = Rules(most_z=4.0, fast_z=z_score(FAST_P), fast_windows=2, same_windows=24)
_USUAL = Limit(ALLOWANCE, THRESHOLD)


@dataclass(frozen=True)
class Reading:
    """What one Window [start, end) says about one signal: `n` rows were judged of `seen`."""

    start: float
    end: float
    n: int
    statistic: float
    p_value: float
    seen: int = 0

    @property
    def z(self) -> float:
        """The p-value as a standard normal deviate."""
        return z_score(self.p_value)


@dataclass(frozen=True)
class Monitor:
    """The state after `windows` Readings; `last` is the newest, None before the first.

    `since` is the start of the Window at which the present rise began, `fast_since` that of the
    present row of Windows far off. `finding` is the id of the finding this drift is recorded as,
    `pages` whether that wakes somebody, `quiet` the Windows since it was last confirmed.
    """

    cusum: Cusum = field(default_factory=Cusum)
    windows: int = 0
    fast: int = 0
    since: float = 0.0
    fast_since: float = 0.0
    last: Reading | None = None
    finding: str | None = None
    pages: bool = False
    quiet: int = 0
    threshold: float = THRESHOLD

    def step(self, reading: Reading, limit: Limit = _USUAL) -> "Monitor":
        """Return the state after one more Window; a crossed CUSUM starts again from zero first."""
        begun = Cusum() if self.cusum.alarms(self.threshold) else self.cusum
        z = reading.z
        cusum = begun.step(min(z, RULES.most_z), limit.allowance)
        fast = self.fast + 1 if z > RULES.fast_z else 0
        stepped = Monitor(
            cusum=cusum,
            windows=self.windows + 1,
            fast=fast,
            since=self.since if cusum.windows > 1 else reading.start,
            fast_since=self.fast_since if fast > 1 else reading.start,
            last=reading,
            finding=self.finding,
            pages=self.pages,
            quiet=self.quiet + 1,
            threshold=limit.threshold,
        )
        forgotten = stepped.quiet > RULES.same_windows and not stepped.alarms
        return stepped.reported(None) if forgotten else stepped

    @property
    def alarms(self) -> bool:
        """True when the newest Window makes a finding due, or confirms the present one."""
        return self.cusum.alarms(self.threshold) or self.fast >= RULES.fast_windows

    @property
    def began(self) -> float:
        """When the drift began, as far as the Windows tell; a CUSUM tends to say it early."""
        return self.fast_since if self.fast >= RULES.fast_windows else self.since

    def reported(self, finding: str | None, *, pages: bool = False) -> "Monitor":
        """Return the state with its drift recorded as this finding."""
        return replace(self, finding=finding, pages=pages, quiet=0)
