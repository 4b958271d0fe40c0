"""Counts to bounds to Verdict: the one place where statistics and Gates meet. Pure.

A replay of stored Evidence through here gives the same Verdict, because the bootstrap's seed
is fixed. What a limit means is lifecycle's; how an interval is computed is stats'.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lifecycle.digests import NO_CONTENT
from lifecycle.evidence import Evidence, EvidenceKind, Measurement
from lifecycle.gates import Observation, decide
from lifecycle.policies import Gate, NonInferior, Rule
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from registry_proxy.ledger.counts import read_cells, read_count, read_latencies
from stats.bounds import Bounds
from stats.classification import macro_f1_bounds, macro_f1_difference_bounds
from stats.confidence_sequences import beta_binomial_bounds
from stats.paired import accuracy_difference_bounds
from stats.quantiles import latency_buckets, quantile_bounds

_LEADING: Mapping[EvidenceKind, str] = {
    EvidenceKind.OFFLINE: "cells",
    EvidenceKind.LATENCY: "latency_ms",
    EvidenceKind.SHADOW: "pairs",
    EvidenceKind.CANARY: "requests",
}
"""The Measurement whose n and duration say how much was seen, per kind of Evidence."""


@dataclass(frozen=True)
class NoEvidence:
    """Nothing usable of a kind; `why` says what was wrong with what there is (None: nothing)."""

    why: str | None = None


def judge(gates: Sequence[Gate], found: Mapping[EvidenceKind, Evidence | NoEvidence]) -> Verdict:
    """Judge every Gate on the Evidence of its kind and join the reasons."""
    verdicts = (judge_gate(gate, found.get(gate.evidence, NoEvidence())) for gate in gates)
    return conclude(reason for verdict in verdicts for reason in verdict.reasons)


def judge_gate(gate: Gate, evidence: Evidence | NoEvidence) -> Verdict:
    """Judge one Gate."""
    if isinstance(evidence, NoEvidence):
        if evidence.why is None:
            return decide(gate, {}, None)
        return conclude([Reason(gate.name, Outcome.INCONCLUSIVE, evidence.why)])
    bounds = {rule: _bounds(rule, gate, evidence) for rule in gate.rules}
    known = {rule: found for rule, found in bounds.items() if found is not None}
    verdict = decide(gate, known, _observe(evidence))
    return conclude([*verdict.reasons, *_other_limits(gate, evidence)])


def _observe(evidence: Evidence) -> Observation:
    has_baseline = evidence.subjects.baseline != NO_CONTENT
    leading = evidence.measurement(_LEADING[evidence.kind])
    if leading is None:
        return Observation(0, 0.0, has_baseline)
    return Observation(leading.n, leading.ended_at - leading.started_at, has_baseline)


def _bounds(rule: Rule, gate: Gate, evidence: Evidence) -> Bounds | None:
    name, compute = _MEASURES[rule.measure]
    measurement = evidence.measurement(name, rule.slice)
    return compute(measurement, rule, gate) if measurement else None


def _macro_f1(measurement: Measurement, _rule: Rule, gate: Gate) -> Bounds | None:
    return macro_f1_bounds(read_cells(measurement).candidate, gate.alpha)


def _macro_f1_difference(measurement: Measurement, _rule: Rule, gate: Gate) -> Bounds | None:
    cells = read_cells(measurement)
    return macro_f1_difference_bounds(cells, gate.alpha) if cells.counts.ndim == 3 else None


def _accuracy(measurement: Measurement, rule: Rule, gate: Gate) -> Bounds | None:
    confusion = read_cells(measurement).candidate
    right, n = int(confusion.trace()), int(confusion.sum())
    return beta_binomial_bounds(right, n, _limit(rule), gate.alpha)


def _quantile(q: float) -> "Compute":
    def compute(measurement: Measurement, _rule: Rule, gate: Gate) -> Bounds | None:
        return quantile_bounds(latency_buckets(), read_latencies(measurement), q, gate.alpha)

    return compute


def _coverage(measurement: Measurement, rule: Rule, gate: Gate) -> Bounds | None:
    """A count of what happened passes as it is; it fails only when more of the same could not
    bring it over the limit: one stall early in a shadow is no reason to give up.
    """
    eligible, paired = read_count(measurement, "eligible"), read_count(measurement, "paired")
    if not eligible:
        return None
    share = paired / eligible
    upper = beta_binomial_bounds(paired, eligible, _limit(rule), gate.alpha).upper
    return Bounds(n=eligible, lower=share, point=share, upper=max(share, upper))


def _accuracy_difference(measurement: Measurement, _rule: Rule, gate: Gate) -> Bounds | None:
    wins, losses = read_count(measurement, "wins"), read_count(measurement, "losses")
    return accuracy_difference_bounds(wins, losses, read_count(measurement, "n"), gate.alpha)


def _rate(part: str) -> "Compute":
    def compute(measurement: Measurement, rule: Rule, gate: Gate) -> Bounds | None:
        parts, n = read_count(measurement, part), read_count(measurement, "n")
        return beta_binomial_bounds(parts, n, _limit(rule), gate.alpha)

    return compute


def _slow(measurement: Measurement, rule: Rule, gate: Gate) -> Bounds | None:
    return None if _slow_over(measurement, gate) else _rate("over")(measurement, rule, gate)


def _slow_over(measurement: Measurement, gate: Gate) -> float | None:
    """Return what was counted as slow, in ms, where that is not what the Gate means by it."""
    limit_ms = float(measurement.counts["limit_ms"])
    return None if limit_ms == gate.slow_ms else limit_ms


def _other_limits(gate: Gate, evidence: Evidence) -> list[Reason]:
    judged = {rule.slice for rule in gate.rules if rule.measure == "slow_ratio"}
    measured = [evidence.measurement("slow", name) for name in sorted(judged)]
    others = {over for m in measured if m is not None and (over := _slow_over(m, gate))}
    return [
        Reason(
            gate.name,
            Outcome.INCONCLUSIVE,
            f"slow was counted over {over:g} ms, the Gate's slow_ms is {gate.slow_ms:g}; set both "
            "to the latency that users were promised",
        )
        for over in sorted(others)
    ]


def _limit(rule: Rule) -> float:
    if isinstance(rule.limit, NonInferior):
        raise TypeError(f"{rule.measure} is a rate and has no margin")
    return rule.limit.value


Compute = Callable[[Measurement, Rule, Gate], Bounds | None]

_MEASURES: Mapping[str, tuple[str, Compute]] = {
    "macro_f1": ("cells", _macro_f1),
    "macro_f1_difference": ("cells", _macro_f1_difference),
    "accuracy": ("cells", _accuracy),
    "latency_ms_p95": ("latency_ms", _quantile(0.95)),
    "latency_ms_p99": ("latency_ms", _quantile(0.99)),
    "disagreement": ("pairs", _rate("bad")),
    "coverage": ("pairs", _coverage),
    "accuracy_difference": ("labelled", _accuracy_difference),
    "error_ratio": ("requests", _rate("errors")),
    "slow_ratio": ("slow", _slow),
}
"""A measure of the policy: the Measurement that it is computed from, and how."""
