"""How a CUSUM must be set for a model to stay within its budget of false pages.

What a quiet monitor does depends on its statistic and on its Reference, whose error is the same in
every Window: 2,000 hours with the same small bias are what a threshold from a table does not
survive. So quiet monitors are simulated, with that error, for several allowances; each has the
threshold that keeps the budget, and the one that would find a shift soonest is taken.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.two_sample import Floats

PERIOD_SECONDS = 12 * 7 * 86_400.0
"""A budget is a number of false pages in twelve weeks."""
ALLOWANCES = (0.5, 1.0, 1.5, 2.0)
"""What is taken off each z: the more, the less a bias that lasts adds up."""
THRESHOLDS: Floats = np.concatenate([np.arange(1.0, 12.5), np.arange(14.0, 42.0, 3.0)])
"""At which quiet monitors are simulated; between and beyond them rates are log-linear."""

# The shift in z that is to be found soonest; a lasting one under the allowance is never found.
_SHIFT = 2.5
# False alarms are few and come in rows where a Reference is unlucky, so that a simulated rate is an
# estimate itself: aimed is at a part of the budget. It costs a third of a Window in delay.
_AIMED_AT = 1 / 3
# Fewer alarms than these say too little about a rate.
_ENOUGH_ALARMS = 20
# From over how many e-folds of the rate the slope beyond the last sure one is taken.
_SLOPE_OVER = 2.0
_FLATTEST = -0.05
# Siegmund's correction for what a crossing overshoots by.
_OVERSHOOT = 1.166


@dataclass(frozen=True, slots=True)
class Limit:
    """How one monitor's CUSUM is set."""

    allowance: float
    threshold: float


@dataclass(frozen=True)
class Rules:
    """What ends a row of Windows in a new alarm, beside the CUSUM's threshold.

    A z over `fast_z` in `fast_windows` Windows in a row is an alarm; alarms that follow each other
    within `same_windows` are one. No z counts for more than `most_z` in the sum: how far off a
    Window is beyond that, a null of a few thousand windows does not say.
    """

    most_z: float
    fast_z: float
    fast_windows: int
    same_windows: int


@dataclass(frozen=True)
class AlarmCurves:
    """How often a quiet monitor raises an alarm of its own, per Window: [allowances, thresholds].

    `windows` is how many were simulated.
    """

    rates: Floats
    windows: int

    def limit(self, rate: float) -> Limit:
        """Return how to set the CUSUM so that it alarms at most `rate` times a Window."""
        found = [
            Limit(allowance, _threshold(rates, self.windows, rate, allowance))
            for allowance, rates in zip(ALLOWANCES, self.rates, strict=True)
        ]
        return min(found, key=lambda limit: limit.threshold / (_SHIFT - limit.allowance))


def rate_of_monitor(budget: float, monitors: int, window_seconds: float) -> float:
    """Return the false alarms per Window that one of a model's monitors may have.

    Expected numbers add up whatever depends on what, so an equal share each keeps the budget.
    """
    return _AIMED_AT * budget / (monitors * PERIOD_SECONDS / window_seconds)


def count_alarms(
    z: Floats, limits: NDArray[np.floating], allowances: NDArray[np.floating], rules: Rules
) -> NDArray[np.int64]:
    """Count new alarms of each path z [paths, windows], with limits and allowances that broadcast.

    The result has the shape of limits [..., paths] or [..., 1]. As a monitor does: after a
    crossing its sum starts again from zero.
    """
    shape = np.broadcast_shapes(limits.shape, allowances.shape, (len(z),))
    value, fast = np.zeros(shape, dtype=np.float32), np.zeros(len(z), dtype=np.int32)
    since = np.full(shape, rules.same_windows + 2, dtype=np.int32)
    alarms = np.zeros(shape, dtype=np.int64)
    for step in z.T.astype(np.float32):
        value += np.minimum(step, rules.most_z) - allowances
        np.maximum(value, 0.0, out=value)
        fast = np.where(step > rules.fast_z, fast + 1, 0)
        crossed = value > limits
        alarm = crossed | (fast >= rules.fast_windows)
        since += 1
        if alarm.any():
            alarms += alarm & (since > rules.same_windows + 1)
            since[alarm] = 0
            value[crossed] = 0.0
    return alarms


def alarm_curves(z: Floats, rules: Rules) -> AlarmCurves:
    """Return how often quiet monitors with these z [paths, windows] alarm."""
    allowances = np.array(ALLOWANCES, dtype=np.float32)[:, None, None]
    limits = THRESHOLDS.astype(np.float32)[:, None]
    alarms = count_alarms(z, limits, allowances, rules)
    return AlarmCurves(alarms.sum(axis=-1) / z.size, z.size)


def independent_curves() -> AlarmCurves:
    """Return the curves of independent normal deviates: Siegmund's run length, no simulation.

    For signals whose p-values are exact, so that z is at most such a deviate.
    """
    twice = 2 * np.array(ALLOWANCES)[:, None]
    reach = twice * (THRESHOLDS + _OVERSHOOT)
    rates = twice**2 / 2 / (np.exp(reach) - reach - 1)
    return AlarmCurves(rates, windows=10**90)


def _threshold(rates: Floats, windows: int, wanted: float, allowance: float) -> float:
    """Return the lowest threshold at which the rate is at most the wanted one."""
    sure = np.flatnonzero(rates * windows >= _ENOUGH_ALARMS)
    last = int(sure[-1]) if len(sure) else 0
    # Rates fall with the threshold but for luck; too few alarms are counted as just enough.
    least = np.maximum(rates[last::-1], _ENOUGH_ALARMS / windows)
    logs = np.log(np.maximum.accumulate(least)[::-1])
    if np.log(wanted) >= logs[-1]:
        return float(np.interp(-np.log(wanted), -logs, THRESHOLDS[: last + 1]))
    return float(THRESHOLDS[last] + (np.log(wanted) - logs[-1]) / _slope(logs, allowance))


def _slope(logs: Floats, allowance: float) -> float:
    """Return the fall of log rate per unit of threshold, where it is still sure.

    Of independent normal deviates it is twice the allowance (Siegmund 1985); steeper is luck.
    """
    steepest = -2 * allowance
    first = int(np.flatnonzero(logs <= logs[-1] + _SLOPE_OVER)[0])
    if first == len(logs) - 1:
        return steepest
    slope = float(np.polyfit(THRESHOLDS[first : len(logs)], logs[first:], 1)[0])
    return min(max(slope, steepest), _FLATTEST)
