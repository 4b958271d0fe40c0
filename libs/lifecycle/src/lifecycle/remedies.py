"""What would change a rule's outcome: how far it is from its limit, and how many rows would tell.

Pure, and a forecast only: no Gate reads it. Intervals narrow with the square root of the rows, so
what is astride a limit now is settled at about n (half width / distance)^2 rows, if the estimate
stays where it is.
"""

from dataclasses import dataclass
from math import ceil, isfinite

from lifecycle.explanations import EXPLAINED
from lifecycle.gates import Bounds
from lifecycle.policies import AtLeast, AtMost, NonInferior, Rule
from lifecycle.verdicts import Outcome

_MOST_ROWS = 10**9
"""More is no forecast: the estimate is at its limit."""


@dataclass(frozen=True)
class Finding:
    """One rule of one Gate with its numbers, or (`rule` None) another condition of the Gate.

    `rows_needed` None: more rows are not what would bring a PASS; `change` says what would.
    """

    gate: str
    outcome: Outcome
    text: str
    rule: Rule | None = None
    bounds: Bounds | None = None
    rows_needed: int | None = None
    change: str | None = None


def rows_for_a_pass(rule: Rule, bounds: Bounds) -> int | None:
    """Return at about how many rows the rule PASSes if its estimate stays; None where it would
    not.
    """
    distance, half = _room(rule, bounds)
    if distance <= 0 or not isfinite(half) or bounds.n == 0:
        return None
    needed = max(bounds.n * (half / distance) ** 2, rule.min_n)
    return ceil(needed) if needed < _MOST_ROWS else None


def remedy(outcome: Outcome, rule: Rule, bounds: Bounds | None) -> str | None:
    """Say what would change the outcome of a rule that has not PASSed."""
    if outcome is Outcome.PASS:
        return None
    if bounds is None:
        return "measure it: it is not in the evidence"
    if rule.measure in EXPLAINED and bounds.n == 0:
        return (
            "only a version that explains itself (the compiled form of tfidf_linear does), or a "
            "policy whose rule says `optional: true`, and new evidence"
        )
    if outcome is Outcome.FAIL:
        return (
            f"only another version, better by at least {_shortfall(rule, bounds):.3g}, or another "
            "policy and new evidence"
        )
    needed = rows_for_a_pass(rule, bounds)
    if needed is None:
        return "more rows would rather FAIL it than PASS it: the estimate is on the wrong side"
    return f"about {needed:,} rows, where {bounds.n:,} were seen, if the estimate stays"


def _room(rule: Rule, bounds: Bounds) -> tuple[float, float]:
    """Return how far the estimate is on the right side of the limit, and the half width there."""
    match rule.limit:
        case AtLeast(value):
            return bounds.point - value, bounds.point - bounds.lower
        case AtMost(value):
            return value - bounds.point, bounds.upper - bounds.point
        case NonInferior(margin):
            return bounds.point + margin, bounds.point - bounds.lower


def _shortfall(rule: Rule, bounds: Bounds) -> float:
    """Return by how much the estimate misses what a PASS needs at this many rows."""
    distance, half = _room(rule, bounds)
    return half - distance
