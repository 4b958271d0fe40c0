"""Turning bounds and limits into Reasons and a Verdict. Pure; every Gate is decided here.

Counts become bounds elsewhere (`stats`, joined in each service's `judge.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, assert_never

from lifecycle.explanations import EXPLAINED
from lifecycle.measures import COMPARISONS
from lifecycle.policies import AtLeast, AtMost, Gate, Limit, NonInferior, Rule
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude


class Bounds(Protocol):
    """What is known of one measure: n observations, an interval and a point estimate."""

    @property
    def n(self) -> int: ...  # noqa: D102
    @property
    def lower(self) -> float: ...  # noqa: D102
    @property
    def point(self) -> float: ...  # noqa: D102
    @property
    def upper(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Observation:
    """How much was seen: `n` units over `seconds`, whether a Baseline was there, and whether the
    version was asked why and gave no explanation.
    """

    n: int
    seconds: float
    has_baseline: bool
    explains_nothing: bool = False


def decide(gate: Gate, bounds: Mapping[Rule, Bounds], observed: Observation | None) -> Verdict:
    """Judge one Gate. `bounds` holds what could be computed; a missing one is INCONCLUSIVE.

    `observed` None means there is no usable Evidence of the Gate's kind at all.
    """
    if observed is None:
        text = f"no {gate.evidence} evidence for this version under this policy; produce it"
        return conclude([Reason(gate.name, Outcome.INCONCLUSIVE, text)])
    reasons = [_judge_rule(gate, rule, bounds.get(rule), observed) for rule in gate.rules]
    if not any(reason.outcome is Outcome.FAIL for reason in reasons):
        reasons += _shortfalls(gate, observed)
    return conclude(reasons)


def compare(bounds: Bounds, limit: Limit) -> Outcome:
    """Say on which side of `limit` the whole interval lies."""
    match limit:
        case AtLeast(value):
            passed, failed = bounds.lower >= value, bounds.upper < value
        case AtMost(value):
            passed, failed = bounds.upper <= value, bounds.lower > value
        case NonInferior(margin):
            passed, failed = bounds.lower > -margin, bounds.upper < 0
            # Shown worse, but by less than the margin, is still within what was agreed.
            failed = failed and not passed
        case _:
            assert_never(limit)
    if passed:
        return Outcome.PASS
    return Outcome.FAIL if failed else Outcome.INCONCLUSIVE


def _judge_rule(gate: Gate, rule: Rule, bounds: Bounds | None, observed: Observation) -> Reason:
    name = f"{rule.measure} on slice {rule.slice}"
    if rule.measure in COMPARISONS and not observed.has_baseline:
        text = f"{name}: nothing in PRODUCTION to compare with"
        return Reason(gate.name, Outcome.PASS, text)
    if rule.measure in EXPLAINED and observed.explains_nothing:
        outcome = Outcome.PASS if rule.optional else Outcome.INCONCLUSIVE
        return Reason(gate.name, outcome, f"{name}: a version of this family explains nothing")
    if bounds is None:
        text = f"{name}: not measured; measure it on that slice"
        return Reason(gate.name, Outcome.INCONCLUSIVE, text)
    if bounds.n < rule.min_n:
        text = f"{name}: too little data, {bounds.n:,} of the {rule.min_n:,} rows that are needed"
        return Reason(gate.name, Outcome.INCONCLUSIVE, text)
    outcome = compare(bounds, rule.limit)
    return Reason(gate.name, outcome, f"{name}: {_interval(bounds)}, {_limit_text(rule.limit)}")


def _interval(bounds: Bounds) -> str:
    return f"{bounds.point:.4g} [{bounds.lower:.4g}, {bounds.upper:.4g}] over {bounds.n:,}"


def _limit_text(limit: Limit) -> str:
    match limit:
        case AtLeast(value):
            return f"must be at least {value:g}"
        case AtMost(value):
            return f"must be at most {value:g}"
        case NonInferior(margin):
            return f"must not be worse by {margin:g}"
        case _:
            assert_never(limit)


def _shortfalls(gate: Gate, observed: Observation) -> list[Reason]:
    short = []
    if observed.n < gate.min_n:
        short.append(f"{observed.n:,} observations so far, {gate.min_n:,} are needed")
    if observed.seconds < gate.min_duration_seconds:
        short.append(f"{observed.seconds:.0f} s so far, {gate.min_duration_seconds:g} are needed")
    return [Reason(gate.name, Outcome.INCONCLUSIVE, text) for text in short]
