"""Counts to bounds to Verdict: the one place where statistics and Gates meet. Pure.

A replay of stored Evidence through here gives the same Verdict, because the bootstrap's seed
is fixed. What a limit means is lifecycle's; how an interval is computed is stats'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lifecycle.digests import NO_CONTENT
from lifecycle.evidence import Evidence, EvidenceKind, Measurement
from lifecycle.explanations import SUMS, explains_nothing
from lifecycle.gates import Bounds, Observation, decide
from lifecycle.policies import AtMost, Gate, NonInferior, Rule
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from lifecycle.weighing import weigh
from stats.confidence_sequences import beta_binomial_bounds
from stats.counts import is_counted
from stats.measures import MEASURES

_LEADING: Mapping[EvidenceKind, str] = {
    EvidenceKind.OFFLINE: "cells",
    EvidenceKind.LATENCY: "latency_ms",
    EvidenceKind.SHADOW: "pairs",
    EvidenceKind.CANARY: "requests",
}
"""The Measurement whose n and duration say how much was seen, per kind of Evidence."""

_SLOW = frozenset({"slow_ratio", "slow_difference"})
"""Measures of how many took longer than a latency, which must be the one that the Gate means."""


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
    verdict = decide(gate, weigh_gate(gate, evidence), _observe(evidence))
    doubts = (_uncounted, _under_the_noise, _other_limits)
    told = (reason for doubt in doubts for reason in doubt(gate, evidence))
    return conclude([*verdict.reasons, *told])


def weigh_gate(gate: Gate, evidence: Evidence) -> Mapping[Rule, Bounds]:
    """Return the bounds of every rule of a Gate that the Evidence says something of."""
    return weigh(gate, lambda rule, alpha: _bounds(rule, gate, evidence, alpha))


def _observe(evidence: Evidence) -> Observation:
    has_baseline = evidence.subjects.baseline != NO_CONTENT
    leading = evidence.measurement(_LEADING[evidence.kind])
    if leading is None:
        return Observation(0, 0.0, has_baseline)
    asked_why = evidence.measurement(SUMS)
    return Observation(
        n=leading.n,
        seconds=leading.ended_at - leading.started_at,
        has_baseline=has_baseline,
        explains_nothing=explains_nothing(asked_why.counts if asked_why else None),
    )


def _bounds(rule: Rule, gate: Gate, evidence: Evidence, alpha: float) -> Bounds | None:
    measure = MEASURES[rule.measure]
    measurement = evidence.measurement(measure.counts, rule.slice)
    if measurement is None or (rule.measure in _SLOW and _slow_over(measurement, gate)):
        return None
    if _floor_over(rule, gate, evidence) is not None:
        return None
    return measure.bounds(measurement.counts, _centre(rule), alpha)


def _uncounted(gate: Gate, evidence: Evidence) -> list[Reason]:
    """Say why coverage is not known, which a rule alone cannot."""
    pairs = evidence.measurement("pairs")
    if evidence.kind is not EvidenceKind.SHADOW or pairs is None or is_counted(pairs.counts):
        return []
    text = (
        f"{pairs.counts['mirror_percent']} % of the requests are mirrored and the gateway's own "
        "count of them is not known, so neither is how many answers are missing; mirror 100 %, or "
        "let the rollout-controller read the gateway's statistics"
    )
    return [Reason(gate.name, Outcome.INCONCLUSIVE, text)]


def _under_the_noise(gate: Gate, evidence: Evidence) -> list[Reason]:
    """A limit that the Baseline breaks against itself says nothing of a Candidate."""
    floors = ((rule, _floor_over(rule, gate, evidence)) for rule in gate.rules)
    return [
        Reason(
            gate.name,
            Outcome.INCONCLUSIVE,
            f"{rule.measure} on slice {rule.slice}: its limit lies under the noise floor: asked "
            f"twice the Baseline differs from itself in {floor.point:.4g} [{floor.lower:.4g}, "
            f"{floor.upper:.4g}] of {floor.n:,} texts; set a limit above that",
        )
        for rule, floor in floors
        if floor is not None
    ]


def _floor_over(rule: Rule, gate: Gate, evidence: Evidence) -> Bounds | None:
    """Return how often the Baseline differs from itself, where that is shown to be over the
    limit.
    """
    noise = evidence.measurement("noise")
    if rule.measure != "disagreement" or noise is None or not isinstance(rule.limit, AtMost):
        return None
    counts = (noise.counts["differing"], noise.counts["n"])
    floor = beta_binomial_bounds(*counts, rule.limit.value, gate.alpha)
    return floor if floor.lower > rule.limit.value else None


def _slow_over(measurement: Measurement, gate: Gate) -> float | None:
    """Return what was counted as slow, in ms, where that is not what the Gate means by it."""
    limit_ms = float(measurement.counts["limit_ms"])
    return None if limit_ms == gate.slow_ms else limit_ms


def _other_limits(gate: Gate, evidence: Evidence) -> list[Reason]:
    judged = {(MEASURES[r.measure].counts, r.slice) for r in gate.rules if r.measure in _SLOW}
    measured = [evidence.measurement(*wanted) for wanted in sorted(judged)]
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


def _centre(rule: Rule) -> float:
    """Return where a rate's prior is centred; a margin is no rate's."""
    return 0.0 if isinstance(rule.limit, NonInferior) else rule.limit.value
