"""From a way to compute bounds to the bounds that each rule of a Gate is judged by. Pure.

A floor on every Slice is many claims at once: with ten Slices at 5 % each, a good version would be
called worse on one of them in two releases of five. What says FAIL on a Slice is therefore widened
by Holm's procedure; what says PASS is not, because every rule must PASS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lifecycle.gates import Bounds, compare
from lifecycle.policies import AtMost, Gate, Rule
from lifecycle.verdicts import Outcome

WHOLE = "all"
BoundsAt = Callable[[Rule, float], Bounds | None]
"""(rule, error rate of each bound) to its bounds, None where they cannot be computed."""


@dataclass(frozen=True)
class Interval:
    """Bounds whose two sides may hold at different error rates."""

    n: int
    lower: float
    point: float
    upper: float


def weigh(gate: Gate, bounds_at: BoundsAt) -> Mapping[Rule, Bounds]:
    """Return the bounds of every rule that has some; those of Slices can only FAIL together."""
    known = {rule: bounds_at(rule, gate.alpha) for rule in gate.rules}
    bounds = {rule: found for rule, found in known.items() if found is not None}
    sliced = [rule for rule in bounds if rule.slice != WHOLE]
    claims = [_fails(rule, bounds_at) for rule in sliced]
    for rule, level in zip(sliced, holm_levels(claims, gate.alpha), strict=True):
        wide = bounds_at(rule, level)
        if wide is not None:
            bounds[rule] = _joined(rule, bounds[rule], wide)
    return bounds


def holm_levels(claims: Sequence[Callable[[float], bool]], alpha: float) -> list[float]:
    """Return the error rate at which each claim is to be made (Holm 1979).

    `claims[i](a)` tells whether claim i holds at error rate a, and does so at any larger one.
    Claims that hold at their level are the ones Holm rejects; the chance that any of them is
    false is at most `alpha`, however the claims depend on each other.
    """
    levels = [alpha] * len(claims)
    left = set(range(len(claims)))
    while left:
        level = alpha / len(left)
        made = {i for i in left if claims[i](level)}
        for i in left:
            levels[i] = level
        if not made:
            break
        left -= made
    return levels


def _fails(rule: Rule, bounds_at: BoundsAt) -> Callable[[float], bool]:
    def fails(alpha: float) -> bool:
        bounds = bounds_at(rule, alpha)
        return bounds is not None and compare(bounds, rule.limit) is Outcome.FAIL

    return fails


def _joined(rule: Rule, narrow: Bounds, wide: Bounds) -> Interval:
    """Take the side that can FAIL from `wide`, the other one from `narrow`."""
    if isinstance(rule.limit, AtMost):
        return Interval(narrow.n, wide.lower, narrow.point, narrow.upper)
    return Interval(narrow.n, narrow.lower, narrow.point, wide.upper)
