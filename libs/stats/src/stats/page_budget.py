"""How high a CUSUM's threshold must be for a model to stay within its budget of false pages.

What a quiet monitor does depends on its statistic and on its Reference, whose error is the same in
every Window: 2,000 hours with the same small bias are what a threshold from a table does not
survive. So quiet monitors are simulated, with that error, and the threshold is read from how often
they alarm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.cusum import ALLOWANCE
from stats.two_sample import Floats

PERIOD_SECONDS = 12 * 7 * 86_400.0
"""A budget is a number of false pages in twelve weeks."""
THRESHOLDS: Floats = np.arange(4.0, 40.5, 1.0)
"""At which quiet monitors are simulated; between and beyond them log-linear."""

# Fewer alarms than these say too little about a rate.
_ENOUGH_ALARMS = 20
# From over how many e-folds of the rate the slope beyond the last sure one is taken.
_SLOPE_OVER = 2.0
# A CUSUM of independent normal deviates alarms e times less per unit (Siegmund 1985, with an
# allowance of 1/2); a simulated slope that is steeper is luck.
_STEEPEST = -2 * ALLOWANCE
_FLATTEST = -0.05


@dataclass(frozen=True)
class Rules:
    """What ends a row of Windows in a new alarm, beside the CUSUM's threshold.

    `fast_p` in `fast_windows` Windows in a row is an alarm; alarms that follow each other within
    `same_windows` are one.
    """

    fast_z: float
    fast_windows: int
    same_windows: int


@dataclass(frozen=True)
class AlarmCurve:
    """How often a quiet monitor raises an alarm of its own, per Window, at each of THRESHOLDS."""

    rates: Floats
    windows: int
    """Windows simulated."""

    def threshold(self, rate: float) -> float:
        """Return the lowest threshold at which it alarms at most `rate` times a Window."""
        sure = self.rates * self.windows >= _ENOUGH_ALARMS
        if not sure.any():
            return float(THRESHOLDS[0])
        last = int(np.flatnonzero(sure)[-1])
        # Rates fall with the threshold but for luck.
        logs = np.log(np.maximum.accumulate(self.rates[last::-1])[::-1])
        wanted = np.log(rate)
        if wanted >= logs[-1]:
            return float(np.interp(-wanted, -logs, THRESHOLDS[: last + 1]))
        return float(THRESHOLDS[last] + (wanted - logs[-1]) / _slope(logs))


def rate_of_monitor(budget: float, monitors: int, window_seconds: float) -> float:
    """Return the false alarms per Window that one of a model's monitors may have.

    Expected numbers add up whatever depends on what, so an equal share each keeps the budget.
    """
    return budget / (monitors * PERIOD_SECONDS / window_seconds)


def count_alarms(z: Floats, thresholds: Floats, rules: Rules) -> NDArray[np.int64]:
    """Count each path's new alarms at each threshold: z [paths, windows] -> [thresholds, paths].

    As a monitor does: after a crossing its sum starts again from zero.
    """
    limits = np.asarray(thresholds)[:, None]
    shape = (len(limits), len(z))
    value, fast = np.zeros(shape), np.zeros(len(z), dtype=np.int64)
    since = np.full(shape, rules.same_windows + 2)
    alarms = np.zeros(shape, dtype=np.int64)
    for step in z.T:
        value = np.maximum(0.0, value + step - ALLOWANCE)
        fast = np.where(step > rules.fast_z, fast + 1, 0)
        crossed = value > limits
        alarm = crossed | (fast >= rules.fast_windows)
        since += 1
        alarms += alarm & (since > rules.same_windows + 1)
        since[alarm] = 0
        value[crossed] = 0.0
    return alarms


def alarm_curve(z: Floats, rules: Rules) -> AlarmCurve:
    """Return how often quiet monitors with these z [paths, windows] alarm."""
    return AlarmCurve(count_alarms(z, THRESHOLDS, rules).sum(axis=1) / z.size, z.size)


def independent_curve() -> AlarmCurve:
    """Return the curve of independent normal deviates: Siegmund's run length, no simulation.

    For signals whose p-values are exact, so that z is at most such a deviate.
    """
    reach = THRESHOLDS + 1.166
    rates = 1 / (2 * (np.exp(reach) - reach - 1))
    return AlarmCurve(rates, windows=10**30)


def _slope(logs: Floats) -> float:
    """Return the fall of log rate per unit of threshold, where it is still sure."""
    first = int(np.flatnonzero(logs <= logs[-1] + _SLOPE_OVER)[0])
    if first == len(logs) - 1:
        return _STEEPEST
    steps = THRESHOLDS[first : len(logs)]
    slope = float(np.polyfit(steps, logs[first:], 1)[0])
    return min(max(slope, _STEEPEST), _FLATTEST)
