"""What a demo is asked to do, and the numbers that shape it, each with its reason."""

from dataclasses import dataclass
from pathlib import Path

from isogloss.addresses import PortWishes
from isogloss.homes import Home


@dataclass(frozen=True)
class Traffic:
    """Requests a second in each part of the story, on two cores that everything shares."""

    usual: float = 60
    """Leaves room for mirrored copies of every request, each scored a second time."""
    shadow: float = 60
    """Some 1,200 pairs in the shadow Gate's shortest duration: enough for its disagreement."""
    canary: float = 90
    """Added while the better version is a canary: a tenth of all is 200 requests in 14 s."""
    more: float = 100
    """Of the longest reviews, added at each step of the dear version's Rollout: at the second it
    gets more than it can answer on a core of 2024, at the third on one twice as fast."""
    longest: int = 500
    """How many of the test set's reviews count as the longest."""


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
