"""How a Rollout moves on, once its route is in effect. Pure.

Forward needs the ledger's word each time; what is INCONCLUSIVE waits, and past a Gate's
`max_duration` a person is asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from lifecycle.evidence import EvidenceKind
from lifecycle.policies import Gate
from lifecycle.rollouts import ACTIVE_PHASES, Phase, Rollout
from lifecycle.served_models import Strategy
from lifecycle.stages import CANARY, Stage, move_name
from lifecycle.verdicts import Outcome, Verdict
from rollout_controller.judge import canary_gates
from rollout_controller.observed import Observed


@dataclass(frozen=True)
class OpenPairing:
    """Have the drift-monitor pair the two versions' answers from `since` on."""

    since: float


@dataclass(frozen=True)
class Advancing:
    """Ask the ledger for the next Phase or step, or only whether its Gates PASS."""

    phase: Phase
    step: int = -1
    judge_only: bool = False


@dataclass(frozen=True)
class Pausing:
    """Ask a person."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Nothing to do now; `reason` is one CamelCase word, `message` a sentence."""

    reason: str
    message: str


_LEAST_COUNTED_SECONDS = 10.0
"""A bake ends on readings, however often the lead changes meanwhile."""

_SHADOW_ONLY = (
    "the shadow's Gates PASS, and the ServedModel's strategy is shadow: no user gets its answers; "
    "write another strategy to go on, or abort it"
)

Forward = OpenPairing | Advancing | Pausing | Wait


def forward(seen: Observed) -> Forward:
    """Decide the Rollout's next move."""
    rollout = seen.rollout
    if rollout is None:
        return Wait("NothingToServe", "no version has been rolled out yet")
    if rollout.paused is not None and rollout.phase in ACTIVE_PHASES:
        return Wait("Paused", f"paused: {rollout.paused}; resume or abort it")
    match rollout.phase:
        case Phase.PENDING:
            return _from_pending(seen, rollout)
        case Phase.SHADOWING:
            return _from_shadowing(seen, rollout)
        case Phase.CANARY:
            return _from_canary(seen, rollout)
        case Phase.BAKING:
            return _from_baking(seen, rollout)
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.ABORTED:
            return Wait("Done", f"rollout {rollout.id} has ended {rollout.phase}")
        case _:
            assert_never(rollout.phase)


def _from_pending(seen: Observed, rollout: Rollout) -> Forward:
    if not seen.ready(rollout.candidate_colour, rollout.candidate):
        state = seen.colours.get(rollout.candidate_colour)
        why = state.reason if state else "it is being loaded"
        return Wait("PredictorNotReady", f"{rollout.candidate_colour} loads the Candidate: {why}")
    if rollout.baseline is None:
        return _ask(seen, rollout, Advancing(Phase.SUCCEEDED))
    return _unmirrored(seen) or _ask(seen, rollout, Advancing(Phase.SHADOWING))


def _unmirrored(seen: Observed) -> Pausing | Wait | None:
    """A gateway that cannot mirror may fail every request of a route that asks for it."""
    mirroring = seen.mirroring
    if mirroring is None or mirroring.possible is None:
        why = mirroring.reason if mirroring else "it was not asked"
        return Wait("MirrorUnproven", f"whether the gateway can mirror is not known: {why}")
    return None if mirroring.possible else Pausing(f"the gateway cannot mirror: {mirroring.reason}")


def _from_shadowing(seen: Observed, rollout: Rollout) -> Forward:
    if "drift-monitor" in seen.faults:
        text = f"the drift-monitor does not answer: {seen.faults['drift-monitor']}"
        return Wait("DriftMonitorUnreachable", text)
    if seen.paired_since is None:
        return OpenPairing(seen.now + seen.patience.pairing)
    if seen.now <= seen.paired_since:
        return Wait("PairingBegins", "answers count once the mirror had time to be everywhere")
    shadow_only = seen.served.strategy is Strategy.SHADOW
    stays = shadow_only and _passed(_last_verdict(seen, rollout))
    overdue = None if stays else _overdue(seen, rollout, _shadow_gates(seen))
    return overdue or _ask(seen, rollout, Advancing(Phase.CANARY, 0, judge_only=shadow_only))


def _from_canary(seen: Observed, rollout: Rollout) -> Forward:
    if seen.health and seen.health.outcome is Outcome.PASS:
        last = rollout.step + 1 >= len(seen.served.canary_weights)
        after = Advancing(Phase.BAKING) if last else Advancing(Phase.CANARY, rollout.step + 1)
        return _ask(seen, rollout, after)
    gates = canary_gates(seen.gates) if seen.gates else ()
    return _overdue(seen, rollout, gates) or _watching(seen, "CanaryInconclusive")


def _from_baking(seen: Observed, rollout: Rollout) -> Forward:
    healthy = seen.health is not None and seen.health.outcome is not Outcome.FAIL
    if healthy and _baked(seen, rollout):
        return _ask(seen, rollout, Advancing(Phase.SUCCEEDED))
    return _watching(seen, "Baking")


def _baked(seen: Observed, rollout: Rollout) -> bool:
    """What was not counted was not baked: a route may have come into effect long after its record,
    and counters may not have been read since. Who took over counts for a while at least.
    """
    tally, seconds = seen.tally, seen.served.bake_seconds
    if tally is None:
        return False
    since = tally.began_at if tally.whole else rollout.phase_since
    counted = tally.read_at - tally.began_at
    return tally.read_at - since >= seconds and counted >= min(seconds, _LEAST_COUNTED_SECONDS)


def _ask(seen: Observed, rollout: Rollout, request: Advancing) -> Forward:
    asked = seen.asked
    if asked and asked.belongs_to(rollout) and seen.now - asked.at < seen.patience.evidence:
        if request.judge_only and _passed(asked.verdict):
            return Wait("ShadowOnly", _SHADOW_ONLY)
        text = _open_reasons(asked.verdict) if asked.verdict else "the ledger was asked just now"
        return Wait("GateInconclusive", text)
    return request


def _overdue(seen: Observed, rollout: Rollout, gates: Iterable[Gate]) -> Pausing | None:
    waits = [g.max_duration_seconds for g in gates if g.max_duration_seconds is not None]
    waited = seen.now - max(rollout.phase_since, seen.notes.resumed_at)
    if not waits or waited <= max(waits):
        return None
    verdict = _last_verdict(seen, rollout)
    reasons = _open_reasons(verdict) if verdict else "nothing was judged yet"
    return Pausing(f"{rollout.phase} is INCONCLUSIVE after {waited:.0f} s: {reasons}")


def _passed(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.outcome is Outcome.PASS


def _last_verdict(seen: Observed, rollout: Rollout) -> Verdict | None:
    if rollout.phase is Phase.CANARY:
        return seen.health
    return seen.asked.verdict if seen.asked and seen.asked.belongs_to(rollout) else None


def _shadow_gates(seen: Observed) -> list[Gate]:
    guarding = seen.gates.guarding(move_name(Stage.SHADOW, CANARY)) if seen.gates else ()
    return [gate for gate in guarding if gate.evidence is EvidenceKind.SHADOW]


def _watching(seen: Observed, reason: str) -> Wait:
    if seen.health is None or "metrics" in seen.faults:
        why = seen.faults.get("metrics") or seen.faults.get("policy") or "nothing was counted yet"
        return Wait("HealthUnknown", f"the Candidate's health is not known: {why}")
    return Wait(reason, _open_reasons(seen.health) or "healthy so far")


def _open_reasons(verdict: Verdict) -> str:
    return "; ".join(r.text for r in verdict.reasons if r.outcome is not Outcome.PASS)
