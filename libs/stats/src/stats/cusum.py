"""Adding up small deviations until they are worth an alarm.

One Window's p-value either misses slow drift or fires on noise; a one-sided CUSUM (Page 1954) of
z-scores does neither. Solving the threshold on a model's own correlated z is not here.
"""

from dataclasses import dataclass, replace

# Half the smallest shift worth finding, one standard deviation (Moustakides' optimal choice).
ALLOWANCE = 0.5
# 60 hourly monitors without drift alarm 0.085 times a week together: 1 in 12 weeks, by Siegmund's
# run length 2 (e^u - u - 1), u = h + 1.166. The price: a shift of 3 is found in 4.6 windows.
THRESHOLD = 10.0


@dataclass(frozen=True, slots=True)
class Cusum:
    """One monitor's sum and the number of windows since it last was zero."""

    value: float = 0.0
    windows: int = 0

    def step(self, z: float, allowance: float = ALLOWANCE) -> "Cusum":
        """Return the monitor after one more window's z."""
        value = cusum_step(self.value, z, allowance)
        return replace(self, value=value, windows=self.windows + 1 if value > 0 else 0)

    def alarms(self, threshold: float = THRESHOLD) -> bool:
        """Say whether the sum is over the threshold; the caller then starts a new monitor."""
        return self.value > threshold


def cusum_step(value: float, z: float, allowance: float = ALLOWANCE) -> float:
    """Return max(0, value + z - allowance)."""
    return max(0.0, value + z - allowance)
