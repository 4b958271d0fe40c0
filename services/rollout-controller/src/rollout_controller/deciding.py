"""Which Gates decide in which step of a Rollout, and which never could: known before it starts.

A Rollout is stuck for good on a Gate that is only ever INCONCLUSIVE: one that compares with a
Baseline without users, limits a Slice that nobody counts, or judges what does not happen in its
step. Pure; a limit under the noise floor is `noise_floors`'.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lifecycle.evidence import EvidenceKind
from lifecycle.measures import COMPARISONS
from lifecycle.policies import LIVE_KINDS, Gate, GatePolicy, Rule
from lifecycle.rollouts import Phase
from lifecycle.served_models import ServedModel, Strategy
from lifecycle.stages import CANARY, Stage, move_name
from rollout_controller.judge import SLOW, canary_gates

TO_CANARY = move_name(Stage.SHADOW, CANARY)
_TO_PRODUCTION = move_name(Stage.SHADOW, Stage.PRODUCTION)
_FIRST = move_name(Stage.STAGING, Stage.PRODUCTION)
_WHOLE, _ALL = "all", 100
_LENGTHS = frozenset({"short", "medium", "long"})
"""Slices that the drift-monitor counts of every model's texts."""
_MEASURED = frozenset({"language", "length"})
"""Keys that inference measures or guesses; pairs are not counted by them."""


@dataclass(frozen=True)
class Step:
    """One step of a Rollout: the percentage of users who get the Candidate, the Gates that must
    PASS until the next one, and those whose FAIL alone counts.
    """

    phase: Phase
    users: int
    decided_by: tuple[str, ...] = ()
    watched_by: tuple[str, ...] = ()


def steps_of(policy: GatePolicy, served: ServedModel) -> tuple[Step, ...]:
    """Return the steps of a Rollout over a Baseline, in their order."""
    shadow = Step(Phase.SHADOWING, 0, _names(policy.guarding(TO_CANARY)))
    if served.strategy is Strategy.SHADOW:
        return (shadow,)
    deciding = _names(policy.guarding(_TO_PRODUCTION))
    weights = served.canary_weights
    canary = (Step(Phase.CANARY, weight, deciding) for weight in weights)
    baking = Step(Phase.BAKING, 100, watched_by=_names(canary_gates(policy)))
    return (shadow, *canary, baking)


def never_decided(policy: GatePolicy, served: ServedModel, *, first: bool) -> list[str]:
    """Say which Gates could never PASS, each with why and what to do; `first`: there is no
    Baseline, so nothing is mirrored and nobody split.
    """
    if first:
        return list(_unseen(policy, _FIRST, LIVE_KINDS, "before a model's first Release"))
    told = [*_in_the_shadow(policy, served)]
    if served.strategy is not Strategy.SHADOW:
        told += _among_users(policy, served)
    return told


def worth_knowing(policy: GatePolicy, served: ServedModel) -> list[str]:
    """Say what keeps no Rollout from its end and yet decides less than it seems to: comparisons
    once all users have the Candidate, and a mirror whose missing answers the gateway has to tell.
    """
    silent = [
        f"{gate.name}: {rule.measure} says nothing while BAKING, as the Baseline has no users then"
        for gate in canary_gates(policy)
        for rule in gate.rules
        if rule.measure in COMPARISONS
    ]
    if served.mirror_percent == _ALL:
        return silent
    told = "no shadow PASSes unless the gateway's own count of them can be read"
    return [*silent, f"{served.mirror_percent} % of the requests are mirrored: {told}"]


def _in_the_shadow(policy: GatePolicy, served: ServedModel) -> Iterator[str]:
    gates = policy.guarding(TO_CANARY)
    yield from _unguarded(gates, EvidenceKind.SHADOW, TO_CANARY)
    yield from _unseen(policy, TO_CANARY, {EvidenceKind.CANARY}, "before users get the Candidate")
    for gate in gates:
        if gate.evidence is EvidenceKind.SHADOW:
            yield from (text for rule in gate.rules for text in _uncounted(gate, rule, served))


def _among_users(policy: GatePolicy, served: ServedModel) -> Iterator[str]:
    yield from _unguarded(canary_gates(policy), EvidenceKind.CANARY, _TO_PRODUCTION)
    yield from _unseen(policy, _TO_PRODUCTION, {EvidenceKind.SHADOW}, "after the shadow has ended")
    for gate in canary_gates(policy):
        yield from (text for rule in gate.rules for text in _unfit(gate, rule, served))


def _unguarded(gates: tuple[Gate, ...], kind: EvidenceKind, move: str) -> Iterator[str]:
    if not any(gate.evidence is kind for gate in gates):
        yield f"no Gate on {kind} evidence guards {move}, so that nothing could say how it fares"


def _unseen(
    policy: GatePolicy, move: str, kinds: Collection[EvidenceKind], when: str
) -> Iterator[str]:
    for gate in policy.guarding(move):
        if gate.evidence in kinds:
            yield (
                f"{gate.name} guards {move} on {gate.evidence} evidence, of which there is none "
                f"{when}; let it guard another move"
            )


def _uncounted(gate: Gate, rule: Rule, served: ServedModel) -> Iterator[str]:
    """Slices of a shadow are lengths, and the values of the keys that the ServedModel names."""
    name = f"{gate.name}: {rule.measure} on slice {rule.slice}"
    key, equals, _ = rule.slice.partition("=")
    named = bool(equals) and key in set(served.slices) - _MEASURED
    if rule.slice != _WHOLE and rule.measure.startswith("live_latency"):
        yield f"{name}: latencies are counted on slice all only; limit it there"
    elif rule.slice != _WHOLE and rule.measure == "coverage" and served.mirror_percent < _ALL:
        yield f"{name}: on a Slice it is not known while {served.mirror_percent} % are mirrored"
    elif rule.slice not in {_WHOLE, *_LENGTHS} and not named:
        yield (
            f"{name}: nobody counts that Slice; it must be one of {', '.join(sorted(_LENGTHS))} or "
            "key=value of a key under the ServedModel's slices"
        )


def _unfit(gate: Gate, rule: Rule, served: ServedModel) -> Iterator[str]:
    name, over = f"{gate.name}: {rule.measure}", served.objective.latency_milliseconds
    if rule.slice != _WHOLE:
        yield f"{name} on slice {rule.slice}: users' requests are counted on slice all only"
    if rule.measure in SLOW and over != gate.slow_ms:
        yield (
            f"{name}: slow is counted over the ServedModel's {over:g} ms, the Gate's slow_ms is "
            f"{gate.slow_ms:g}; set both to the latency that users were promised"
        )
    if rule.measure in COMPARISONS and served.strategy is Strategy.BLUE_GREEN:
        yield (
            f"{name} compares with the Baseline's users of the same minutes, and with strategy "
            f"blueGreen it has none; {_INSTEAD[rule.measure]}, or use strategy canary"
        )


_INSTEAD = {
    "error_difference": "limit error_ratio here, and error_difference on the shadow's Gate",
    "slow_difference": "limit slow_ratio here, and live_latency_ratio_p95 on the shadow's Gate",
}


def _names(gates: tuple[Gate, ...]) -> tuple[str, ...]:
    return tuple(gate.name for gate in gates)
