"""Which rows are tested together: Windows and the Slices they are kept for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor

from drift_monitor.detectors import FEWEST_ROWS
from drift_monitor.sketches import Floats

ALL = "all"
ARRIVALS = "arrivals"
"""All events, answered or not: no Slice of the texts, but its Windows roll and close alike."""
OUTCOMES = ("rejected", "failed")
"""What is added up of them."""
SHORT, MEDIUM, LONG = "short", "medium", "long"
LENGTHS = (SHORT, MEDIUM, LONG)
# The project's length slices, as every part that measures texts names them: words at most.
LENGTH_LIMITS = (128.0, 300.0)
# Where a share of 200 rows is drawn, a few less may come.
_LEAST_DRAWN = 0.75
# Keys that inference adds to the caller's: both are measured here, whatever a caller calls them.
MEASURED_KEYS = frozenset({"length", "language"})


@dataclass(frozen=True)
class Times:
    """How long a Window is, what the Candidate may lag, and how long rows are kept."""

    window_seconds: float
    pair_lag_seconds: float
    retention_seconds: float


@dataclass(frozen=True)
class Window:
    """Sums of the rows that arrived in [start, end) on one Slice of one version.

    `n` rows are in the sums, of `seen` that arrived. `end` moves on while there are too few rows:
    the Window rolls into the next.
    """

    version: str
    slice: str
    start: float
    end: float
    n: int
    sums: Floats
    seen: int = 0

    def add(self, n: int, sums: Floats, seen: int | None = None) -> "Window":
        """Return this Window with n more rows, of `seen` that arrived (None: of n)."""
        arrived = self.seen + (n if seen is None else seen)
        return replace(self, n=self.n + n, sums=self.sums + sums, seen=arrived)

    def extended(self, seconds: float, now: float) -> "Window":
        """Return this Window with its end at the first boundary after now."""
        return replace(self, end=boundary_after(now, seconds))

    def is_complete(self, now: float) -> bool:
        """Say whether it can be tested: over, and with enough rows."""
        enough = self.seen >= FEWEST_ROWS and self.n >= _LEAST_DRAWN * FEWEST_ROWS
        return now >= self.end and enough


def boundary_after(now: float, seconds: float) -> float:
    """Return the first Window boundary after `now`: multiples of the length since the epoch."""
    return (floor(now / seconds) + 1) * seconds


def length_slice(words: float) -> str:
    """Name the length Slice of a text."""
    return LENGTHS[sum(words > limit for limit in LENGTH_LIMITS)]


def language_slice(language: str) -> str:
    """Name the Slice of a language."""
    return f"language={language}"


def callers_slices(keys: Mapping[str, str]) -> tuple[str, ...]:
    """Name the Slices of a row that its caller names: `key=value` for each key."""
    given = sorted(keys.items())
    return tuple(f"{key}={value}" for key, value in given if key not in MEASURED_KEYS)
