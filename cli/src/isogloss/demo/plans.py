"""What a demo is asked to do, and the numbers that shape it, each with its reason."""

from dataclasses import dataclass
from pathlib import Path

from isogloss.addresses import PortWishes
from isogloss.homes import Home


@dataclass(frozen=True)
class Traffic:
    """Requests a second in each part of the story, on two cores that everything shares."""

    usual: float = 60
    """Leaves room for mirrored copies of every request, each scored a second time; some 1,200
    pairs in the shadow Gate's shortest duration, enough for its disagreement."""
    canary: float = 140
    """Added when the better version becomes a canary: its tenth is then 200 requests in 10 s."""
    growing: tuple[float, ...] = (100, 240, 300)
    """Added at each step of the dear version's Rollout. At the second it gets 200 a second, more
    than it can answer on a core of 2024; at the third 700, too much for one four times as fast.
    The versions that are not dear bear all of it."""
    drift: float = 100
    """Two windows in ten seconds: each needs 200 texts at least."""


@dataclass(frozen=True)
class DemoPlan:
    """One demo. `rows` limits the training rows (None: all); `policy` stands in for the
    project's own gate policy; `summary` is where the counts go as JSON (None: nowhere).
    """

    home: Home
    project: Path
    wishes: PortWishes
    rows: int | None = None
    policy: Path | None = None
    summary: Path | None = None
    traffic: Traffic = Traffic()
    drift_window_seconds: float = 5
    """An hour by default. A slice that has fewer than 200 rows by then waits for the next one."""
    rollout_limit_seconds: float = 240
