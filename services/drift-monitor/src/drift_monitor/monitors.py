"""One signal of one Slice over time: its CUSUM and its fast path. Pure.

A finding is due when the CUSUM crosses its threshold, or when two Windows in a row are so far off
that waiting would be wrong. Findings that follow each other closely are one: drift that lasts
crosses the threshold again every few Windows.
"""

from dataclasses import dataclass, field, replace

from stats.cusum import Cusum
from stats.nulls import z_score

# Twice in a row by chance: 1e-10 per Window, once in ten thousand years of 60 hourly monitors.
FAST_P = 1e-5
FAST_WINDOWS = 2
# A finding stays the same one until a day of hourly Windows went by without a crossing.
SAME_FINDING_WINDOWS = 24


@dataclass(frozen=True)
class Reading:
    """What one Window [start, end) of n rows says about one signal."""

    start: float
    end: float
    n: int
    statistic: float
    p_value: float

    @property
    def z(self) -> float:
        """The p-value as a standard normal deviate."""
        return z_score(self.p_value)


@dataclass(frozen=True)
class Monitor:
    """The state after `windows` Readings; `last` is the newest, None before the first.

    `since` is the start of the Window at which the present rise began, `fast_since` that of the
    present row of Windows far off. `finding` is the id of the
    finding this drift is recorded as, `quiet` the Windows since it was last confirmed.
    """

    cusum: Cusum = field(default_factory=Cusum)
    windows: int = 0
    fast: int = 0
    since: float = 0.0
    fast_since: float = 0.0
    last: Reading | None = None
    finding: str | None = None
    quiet: int = 0

    def step(self, reading: Reading) -> "Monitor":
        """Return the state after one more Window; a crossed CUSUM starts again from zero first."""
        begun = Cusum() if self.cusum.alarms() else self.cusum
        cusum = begun.step(reading.z)
        fast = self.fast + 1 if reading.p_value < FAST_P else 0
        stepped = Monitor(
            cusum=cusum,
            windows=self.windows + 1,
            fast=fast,
            since=self.since if cusum.windows > 1 else reading.start,
            fast_since=self.fast_since if fast > 1 else reading.start,
            last=reading,
            finding=self.finding,
            quiet=self.quiet + 1,
        )
        forgotten = stepped.quiet > SAME_FINDING_WINDOWS and not stepped.alarms
        return stepped.reported(None) if forgotten else stepped

    @property
    def alarms(self) -> bool:
        """True when the newest Window makes a finding due, or confirms the present one."""
        return self.cusum.alarms() or self.fast >= FAST_WINDOWS

    @property
    def began(self) -> float:
        """When the drift began, as far as the Windows tell; a CUSUM tends to say it early."""
        return self.fast_since if self.fast >= FAST_WINDOWS else self.since

    def reported(self, finding: str | None) -> "Monitor":
        """Return the state with its drift recorded as this finding."""
        return replace(self, finding=finding, quiet=0)
