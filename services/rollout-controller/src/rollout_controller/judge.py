"""Counts of a Candidate's answers to bounds to Verdict: when a canary goes on, and when back.

Pure, and the same join of stats and lifecycle that the registry-proxy makes of the same
Evidence, so a FAIL here needs no registry and a PASS here is a PASS there.
"""

from collections.abc import Mapping, Sequence

from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects
from lifecycle.gates import Bounds, Observation, decide
from lifecycle.policies import Gate, GatePolicy, NonInferior, Rule
from lifecycle.stages import Stage, move_name
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from lifecycle.weighing import weigh
from rollout_controller.tallies import Tally
from stats.measures import MEASURES

SLOW = frozenset({"slow_ratio", "slow_difference"})
"""Measures of how many took longer than a latency, which must be the one that the Gate means."""
_SOURCE = "predictor metrics"


def canary_gates(policy: GatePolicy) -> tuple[Gate, ...]:
    """Return the Gates that watch a Candidate while users get its answers."""
    move = move_name(Stage.SHADOW, Stage.PRODUCTION)
    return tuple(g for g in policy.guarding(move) if g.evidence is EvidenceKind.CANARY)


def canary_measurements(tally: Tally, slow_ms: float) -> tuple[Measurement, ...]:
    """Return what a step's Tally measured so far; `slow_ms` is what its `over` counted as slow."""
    ours, theirs = tally.total, tally.baseline
    requests = {"n": ours.requests, "errors": ours.errors}
    slow = {"n": ours.answered, "over": ours.over, "limit_ms": slow_ms}
    span = (_SOURCE, tally.began_at, tally.read_at)
    return (
        Measurement("requests", "all", ours.requests, requests, *span),
        Measurement("slow", "all", ours.answered, slow, *span),
        Measurement(
            "outcomes",
            "all",
            ours.requests,
            {**requests, "baseline_n": theirs.requests, "baseline_errors": theirs.errors},
            *span,
        ),
        Measurement(
            "slow_pair",
            "all",
            ours.answered,
            {**slow, "baseline_n": theirs.answered, "baseline_over": theirs.over},
            *span,
        ),
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
    bounds = weigh(gate, lambda rule, alpha: _bounds(rule, gate, found.get(_wanted(rule)), alpha))
    requests = found["requests", "all"]
    seconds = requests.ended_at - requests.started_at
    verdict = decide(gate, bounds, Observation(requests.n, seconds, has_baseline=True))
    return conclude([*verdict.reasons, *_other_limits(gate, found)])


def _wanted(rule: Rule) -> tuple[str, str]:
    return MEASURES[rule.measure].counts, rule.slice


def _bounds(rule: Rule, gate: Gate, measurement: Measurement | None, alpha: float) -> Bounds | None:
    if measurement is None or isinstance(rule.limit, NonInferior):
        return None
    if rule.measure in SLOW and _slow_over(measurement, gate):
        return None
    return MEASURES[rule.measure].bounds(measurement.counts, rule.limit.value, alpha)


def _slow_over(measurement: Measurement, gate: Gate) -> float | None:
    """Return what was counted as slow, in ms, where that is not what the Gate means by it."""
    limit_ms = float(measurement.counts["limit_ms"])
    return None if limit_ms == gate.slow_ms else limit_ms


def _other_limits(gate: Gate, found: Mapping[tuple[str, str], Measurement]) -> list[Reason]:
    measured = [found.get(_wanted(rule)) for rule in gate.rules if rule.measure in SLOW]
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
