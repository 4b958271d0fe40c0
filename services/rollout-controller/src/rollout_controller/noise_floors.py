"""The noise floor under a limit on disagreement: how often the Baseline differs from itself. Pure.

Under a limit that is not shown to be above its floor, a Candidate that is nothing but the Baseline
again could FAIL. Before a Rollout that costs nothing but another limit or a longer A/A run, so it
is refused then; at the Gate itself only a limit that is shown to be under the floor decides
nothing, lest a short A/A run stop what is under way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lifecycle.evidence import EvidenceKind
from lifecycle.policies import AtMost, Gate, GatePolicy
from rollout_controller.deciding import TO_CANARY


@dataclass(frozen=True)
class NoiseFloor:
    """What an A/A run of a version (by digest) measured: of `n` texts that it was asked twice the
    share that it answered otherwise, as a 95 % confidence interval.
    """

    digest: str
    n: int
    lower: float
    point: float
    upper: float
    measured_at: float


def limits_under(policy: GatePolicy, floor: NoiseFloor, waived: frozenset[str]) -> list[str]:
    """Say which limits of a shadow's Gates are not above the floor, but for `waived` Gates."""
    return [
        f"{gate.name}: disagreement on slice {name} is limited to {limit:.2%}, and "
        + _told(floor, limit)
        for gate in policy.guarding(TO_CANARY)
        if gate.evidence is EvidenceKind.SHADOW and gate.name not in waived
        for name, limit in _limits(gate)
        if limit < floor.upper
    ]


def _limits(gate: Gate) -> Iterator[tuple[str, float]]:
    for rule in gate.rules:
        if rule.measure == "disagreement" and isinstance(rule.limit, AtMost):
            yield rule.slice, rule.limit.value


def _told(floor: NoiseFloor, limit: float) -> str:
    when = datetime.fromtimestamp(floor.measured_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    seen = (
        f"the Baseline {floor.digest[:19]} differs from itself in {floor.point:.2%} "
        f"[{floor.lower:.2%}, {floor.upper:.2%}] of {floor.n:,} texts asked twice ({when}): "
    )
    if limit < floor.lower:
        return f"{seen}a limit under that FAILs anything; set one above {floor.upper:.2%}"
    return f"{seen}measure with more texts (isogloss rollout noise), or set a limit above that"
