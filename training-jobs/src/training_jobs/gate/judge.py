"""Offline Measurements to bounds to Verdict, as the registry-proxy judges the same Evidence.

For a project's own gate, before anything is registered: what FAILs here would FAIL there. What
counts is decided there, on signed Evidence and against the version in PRODUCTION.
"""

from collections.abc import Sequence

from lifecycle.evidence import EvidenceKind, Measurement
from lifecycle.explanations import SUMS, explains_nothing
from lifecycle.gates import Bounds, Observation, decide
from lifecycle.policies import Gate, GatePolicy, NonInferior, Rule
from lifecycle.stages import Stage, move_name
from lifecycle.verdicts import Verdict, conclude
from lifecycle.weighing import weigh
from stats.measures import MEASURES


def judge_offline(policy: GatePolicy, measurements: Sequence[Measurement]) -> Verdict:
    """Judge the offline Gates between REGISTERED and STAGING; there is no Baseline."""
    move = move_name(Stage.REGISTERED, Stage.STAGING)
    gates = [g for g in policy.guarding(move) if g.evidence is EvidenceKind.OFFLINE]
    verdicts = (_judge_gate(gate, measurements) for gate in gates)
    return conclude(reason for verdict in verdicts for reason in verdict.reasons)


def _judge_gate(gate: Gate, measurements: Sequence[Measurement]) -> Verdict:
    found = {(m.name, m.slice): m for m in measurements}

    def bounds_at(rule: Rule, alpha: float) -> Bounds | None:
        measure = MEASURES[rule.measure]
        measurement = found.get((measure.counts, rule.slice))
        centre = 0.0 if isinstance(rule.limit, NonInferior) else rule.limit.value
        return measure.bounds(measurement.counts, centre, alpha) if measurement else None

    whole, asked_why = found["cells", "all"], found.get((SUMS, "all"))
    seen = Observation(
        n=whole.n,
        seconds=whole.ended_at - whole.started_at,
        has_baseline=False,
        explains_nothing=explains_nothing(asked_why.counts if asked_why else None),
    )
    return decide(gate, weigh(gate, bounds_at), seen)
