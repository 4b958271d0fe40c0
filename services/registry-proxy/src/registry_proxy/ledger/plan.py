"""What the Gates of a Rollout will need until they decide, said before it starts. Pure.

Each rule is asked two questions: how many rows until it PASSes a version well inside its limit,
and until it FAILs one well outside, so that people see before a shadow whether their traffic can
ever answer them. Hours are the caller's, who knows the traffic.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.evidence import EvidenceKind
from lifecycle.policies import LIVE_KINDS, AtLeast, AtMost, Gate, GatePolicy, NonInferior, Rule
from lifecycle.stages import CANARY, Stage, move_name
from stats.planning import (
    rows_for_difference,
    rows_for_quantile,
    rows_for_rate,
    rows_for_rates_apart,
)

_MOVES = {move_name(Stage.SHADOW, CANARY), move_name(Stage.SHADOW, Stage.PRODUCTION)}
_RATES = frozenset({"disagreement", "error_ratio", "slow_ratio"})
_USUAL = {"error_difference": 0.005, "slow_difference": 0.02}
"""A Baseline's own share, where two versions answer different requests."""
_DISCORDANT = 0.10
"""Share of texts that two good versions answer differently, where no budget says otherwise."""
_QUANTILES = {"p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Forecast:
    """One rule: rows (of `unit`) until it PASSes where the truth is `good`, and FAILs where it is
    `bad`. None: it never does, or, with no truth told, it cannot be forecast.
    """

    gate: str
    guards: tuple[str, ...]
    measure: str
    slice: str
    limit: float
    unit: str
    good: float | None
    pass_rows: int | None
    bad: float | None
    fail_rows: int | None


@dataclass(frozen=True)
class Chances:
    """How surely a rule is to have decided (`power`), and a canary's `share` of the requests."""

    power: float
    share: float


@dataclass(frozen=True)
class Plan:
    """A Rollout's live Gates, and a Forecast for each of their rules."""

    gates: tuple[Gate, ...]
    forecasts: tuple[Forecast, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        waits = ("name", "evidence", "min_n", "min_duration_seconds", "max_duration_seconds")
        return {
            "gates": [{name: getattr(gate, name) for name in waits} for gate in self.gates],
            "rules": [asdict(forecast) for forecast in self.forecasts],
        }


def plan(policy: GatePolicy, chances: Chances) -> Plan:
    """Forecast every rule that a Rollout will wait for."""
    gates = tuple(
        gate for gate in policy.gates if gate.evidence in LIVE_KINDS and gate.guards & _MOVES
    )
    return Plan(gates, tuple(each for gate in gates for each in _forecasts(gate, chances)))


def _forecasts(gate: Gate, chances: Chances) -> Iterator[Forecast]:
    budgets = [r.limit.value for r in gate.rules if _is_budget(r) and isinstance(r.limit, AtMost)]
    discordant = max(budgets, default=_DISCORDANT)
    for rule in gate.rules:
        yield _forecast(gate, rule, discordant, chances)


def _is_budget(rule: Rule) -> bool:
    return (rule.measure, rule.slice) == ("disagreement", "all")


def _forecast(gate: Gate, rule: Rule, discordant: float, chances: Chances) -> Forecast:
    question = _question(gate, rule, discordant, chances)
    passes = question.rows(question.good)
    return Forecast(
        gate=gate.name,
        guards=tuple(sorted(gate.guards)),
        measure=rule.measure,
        slice=rule.slice,
        limit=_limit(rule),
        unit=_unit(gate, rule),
        good=question.good,
        pass_rows=max(passes, rule.min_n) if passes else passes,
        bad=question.bad,
        fail_rows=question.rows(question.bad),
    )


@dataclass(frozen=True)
class _Question:
    """Two truths, and how many rows it takes to see either."""

    good: float | None
    bad: float | None
    rows: Callable[[Any], int | None]


def _question(gate: Gate, rule: Rule, discordant: float, chances: Chances) -> _Question:
    if rule.measure in _RATES:
        return _of_rate(gate, rule, chances)
    if rule.measure == "accuracy_difference":
        return _of_accuracy(gate, rule, discordant, chances)
    if rule.measure in _USUAL and gate.evidence is EvidenceKind.CANARY:
        return _of_canary(gate, rule, chances)
    if rule.measure == "error_difference":
        return _of_errors(gate, rule, chances)
    return _of_quantile(gate, rule)


def _of_rate(gate: Gate, rule: Rule, chances: Chances) -> _Question:
    limit = _limit(rule)

    def rows(truth: float) -> int | None:
        return rows_for_rate(limit, truth, gate.alpha, chances.power)

    return _Question(limit / 2, min(2 * limit, (1 + limit) / 2), rows)


def _of_accuracy(gate: Gate, rule: Rule, discordant: float, chances: Chances) -> _Question:
    limit = _limit(rule)
    step = max(abs(limit), 0.01)
    limits = (limit if isinstance(rule.limit, AtLeast) else 0.0, limit)

    def rows(truth: float) -> int | None:
        case = (truth, max(discordant, abs(truth)))
        return rows_for_difference(limits, case, gate.alpha, chances.power)

    return _Question(min(limit + step, 1.0), max(limit - step, -1.0), rows)


def _of_errors(gate: Gate, rule: Rule, chances: Chances) -> _Question:
    limit = _limit(rule)
    seldom = max(2 * abs(limit), 0.01)

    def rows(truth: float) -> int | None:
        return rows_for_difference((-limit, -limit), (-truth, seldom), gate.alpha, chances.power)

    return _Question(0.0, max(-1.0, min(2 * limit, 1.0)), rows)


def _of_canary(gate: Gate, rule: Rule, chances: Chances) -> _Question:
    usual = _USUAL[rule.measure]

    def rows(truth: float) -> int | None:
        rates = (min(usual + truth, 1.0), usual)
        return rows_for_rates_apart(_limit(rule), rates, chances.share, gate.alpha)

    return _Question(0.0, 2 * max(_limit(rule), 0.005), rows)


def _of_quantile(gate: Gate, rule: Rule) -> _Question:
    """Say from when on a quantile has an upper bound at all; the rest is how latencies spread."""
    quantile = next((q for name, q in _QUANTILES.items() if rule.measure.endswith(name)), None)
    alpha = gate.alpha / 2 if "ratio" in rule.measure else gate.alpha
    if quantile is None:
        return _Question(None, None, lambda _truth: None)
    least = rows_for_quantile(quantile, alpha)
    return _Question(None, None, lambda _truth: least)


def _limit(rule: Rule) -> float:
    return -rule.limit.margin if isinstance(rule.limit, NonInferior) else rule.limit.value


def _unit(gate: Gate, rule: Rule) -> str:
    if gate.evidence is EvidenceKind.CANARY:
        return "requests"
    return "labelled pairs" if rule.measure == "accuracy_difference" else "pairs"
