"""Counts of a Candidate's answers to bounds to Verdict: when a canary goes on, and when back.

Pure, and the same join of stats and lifecycle that the registry-proxy makes of the same
Evidence, so a FAIL here needs no registry and a PASS here is a PASS there.
"""

from collections.abc import Sequence

from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects
from lifecycle.gates import Observation, decide
from lifecycle.policies import AtMost, Gate, GatePolicy, Rule
from lifecycle.stages import Stage, move_name
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from rollout_controller.tallies import Tally
from stats.bounds import Bounds
from stats.confidence_sequences import beta_binomial_bounds

_COUNTS = {"error_ratio": ("requests", "errors"), "slow_ratio": ("slow", "over")}
_SOURCE = "predictor metrics"


def canary_gates(policy: GatePolicy) -> tuple[Gate, ...]:
    """Return the Gates that watch a Candidate while users get its answers."""
    move = move_name(Stage.SHADOW, Stage.PRODUCTION)
    return tuple(g for g in policy.guarding(move) if g.evidence is EvidenceKind.CANARY)


def canary_measurements(tally: Tally, slow_ms: float) -> tuple[Measurement, ...]:
    """Return what a step's Tally measured so far; `slow_ms` is what its `over` counted as slow."""
    total = tally.total
    requests = {"n": total.requests, "errors": total.errors}
    slow = {"n": total.answered, "over": total.over, "limit_ms": slow_ms}
    span = (_SOURCE, tally.began_at, tally.read_at)
    return (
        Measurement("requests", "all", total.requests, requests, *span),
        Measurement("slow", "all", total.answered, slow, *span),
    )


def canary_evidence(
    model: str,
    tally: Tally,
    subjects: Subjects,
    measurements: tuple[Measurement, ...],
    max_age_seconds: float,
) -> Evidence:
    """Return the statement that is signed and handed in for a step of `model`'s Rollout."""
    now = tally.read_at
    return Evidence(
        kind=EvidenceKind.CANARY,
        model=model,
        subjects=subjects,
        measurements=measurements,
        producer="rollout-controller",
        produced_at=now,
        expires_at=now + max_age_seconds,
        details={"rollout": tally.rollout, "phase": tally.phase.value, "step": tally.step},
    )


def judge_canary(gates: Sequence[Gate], measurements: Sequence[Measurement]) -> Verdict:
    """Judge all canary Gates; without any the answer is INCONCLUSIVE, as silence never promotes."""
    verdicts = (_judge_gate(gate, measurements) for gate in gates)
    return conclude(reason for verdict in verdicts for reason in verdict.reasons)


def _judge_gate(gate: Gate, measurements: Sequence[Measurement]) -> Verdict:
    found = {(m.name, m.slice): m for m in measurements}
    bounds = {rule: _bounds(rule, gate, found.get(_wanted(rule))) for rule in gate.rules}
    known = {rule: bound for rule, bound in bounds.items() if bound is not None}
    requests = found["requests", "all"]
    seconds = requests.ended_at - requests.started_at
    verdict = decide(gate, known, Observation(requests.n, seconds, has_baseline=True))
    return conclude([*verdict.reasons, *_other_limit(gate, found["slow", "all"])])


def _wanted(rule: Rule) -> tuple[str, str]:
    return _COUNTS[rule.measure][0], rule.slice


def _bounds(rule: Rule, gate: Gate, measurement: Measurement | None) -> Bounds | None:
    if measurement is None or not isinstance(rule.limit, AtMost) or _differs(gate, measurement):
        return None
    bad = measurement.counts[_COUNTS[rule.measure][1]]
    return beta_binomial_bounds(bad, measurement.n, rule.limit.value, gate.alpha)


def _differs(gate: Gate, measurement: Measurement) -> bool:
    return measurement.name == "slow" and measurement.counts["limit_ms"] != gate.slow_ms


def _other_limit(gate: Gate, slow: Measurement) -> list[Reason]:
    asks = any(rule.measure == "slow_ratio" for rule in gate.rules)
    if not asks or not _differs(gate, slow):
        return []
    text = (
        f"slow was counted over {slow.counts['limit_ms']:g} ms, the Gate's slow_ms is "
        f"{gate.slow_ms:g}; set the ServedModel's latencyMilliseconds and slow_ms alike"
    )
    return [Reason(gate.name, Outcome.INCONCLUSIVE, text)]
