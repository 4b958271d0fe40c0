"""The status document of one model: what is, what it waits for, and what to do. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lifecycle.rollouts import ACTIVE_PHASES, NOTHING_TO_SERVE, SPLIT_PHASES, Colour, Phase
from rollout_controller.memory import ModelMemory, found_in
from rollout_controller.observed import Observed
from rollout_controller.ports import ColourState
from rollout_controller.route_objects import HeldRoute
from rollout_controller.standing_by import told_canary, told_verdict


@dataclass(frozen=True)
class Condition:
    """One thing that is true or not, why (one word), and a sentence with what to do."""

    type: str
    status: bool
    reason: str
    message: str


def status_document(
    memory: ModelMemory, held: HeldRoute | None, colours: Mapping[Colour, ColourState]
) -> dict[str, Any]:
    """Return what `GET /v1/models/{m}` answers."""
    rollout = memory.state.rollout if memory.state else None
    intent = held.route.intent if held else NOTHING_TO_SERVE
    return {
        "model": memory.served.name,
        "phase": rollout.phase.value if rollout else None,
        "step": rollout.step if rollout else None,
        "paused": rollout.paused if rollout else None,
        "baseline": rollout.baseline if rollout else None,
        "candidate": rollout.candidate if rollout else None,
        "route": asdict(intent),
        "colours": {colour.value: _colour(colours.get(colour)) for colour in Colour},
        "verdict": verdict_of(memory),
        "conditions": [rendered(condition) for condition in conditions_of(memory)],
        "canary": canary_of(memory),
        "last_rollback": _last_rollback(memory, held),
    }


def faults_of(memory: ModelMemory) -> set[str]:
    """Return the conditions that are False and should not be; not progressing is no fault."""
    return {each.type for each in conditions_of(memory) if not each.status} - {"Progressing"}


def conditions_of(memory: ModelMemory) -> Iterator[Condition]:
    """Return what is true of a model, and what is not."""
    seen = memory.seen
    yield _moving(memory)
    if seen:
        yield _serving(seen)
        yield from _answering(seen)
    if memory.fault:
        yield Condition("Reconciled", status=False, reason="Failed", message=memory.fault)


def rendered(condition: Condition) -> dict[str, str]:
    """Return the JSON form of a condition."""
    return {**asdict(condition), "status": "True" if condition.status else "False"}


def verdict_of(memory: ModelMemory) -> dict[str, Any] | None:
    """Return the last Verdict on the step that the Rollout is in, or on how it ended."""
    if not memory.leading:
        return told_verdict(memory)
    rollout = memory.state.rollout if memory.state else None
    seen = memory.seen
    if rollout and rollout.phase in SPLIT_PHASES and seen and seen.health:
        return seen.health.to_dict()
    done = memory.last_rollback
    if rollout and done and done.rollout == rollout.id and done.verdict:
        return done.verdict.to_dict()
    asked = memory.asked
    if asked is None or asked.verdict is None or rollout is None or asked.rollout != rollout.id:
        return None
    # A Verdict on an earlier step says nothing of the one under way.
    told = asked.belongs_to(rollout) or rollout.phase not in ACTIVE_PHASES
    return asked.verdict.to_dict() if told else None


def canary_of(memory: ModelMemory) -> dict[str, int]:
    """Return what was counted in the last step of the Rollout."""
    if not memory.leading:
        return told_canary(memory)
    tally = memory.notes.tally
    rollout = memory.state.rollout if memory.state else None
    if tally is None or rollout is None or tally.rollout != rollout.id:
        return {"requests": 0, "errors": 0, "over": 0}
    total = tally.total
    return {"requests": total.requests, "errors": total.errors, "over": total.over}


def _colour(state: ColourState | None) -> dict[str, Any]:
    if state is None:
        return {"digest": None, "ready": False, "address": None}
    return {"digest": state.digest or None, "ready": state.ready, "address": state.address}


def _last_rollback(memory: ModelMemory, held: HeldRoute | None) -> dict[str, Any] | None:
    done, marker = memory.last_rollback, held.route.marker if held else None
    if done is None and marker:
        standing = memory.seen is not None and memory.seen.going_back
        done = replace(found_in(marker), recorded=not standing)
    if done is None:
        return None
    told = {**asdict(done), "milliseconds": done.milliseconds}
    del told["verdict"]
    return told


def _moving(memory: ModelMemory) -> Condition:
    rollout = memory.state.rollout if memory.state else None
    active = rollout is not None and rollout.phase in ACTIVE_PHASES and rollout.paused is None
    reason, message = memory.waiting
    return Condition("Progressing", status=active, reason=reason, message=message)


def _serving(seen: Observed) -> Condition:
    intent = seen.held.route.intent if seen.held else NOTHING_TO_SERVE
    used = [colour for colour in Colour if intent.weight(colour)]
    if not used:
        text = f"{seen.served.name} has no version to serve; roll one out"
        return Condition("Ready", status=False, reason="NothingToServe", message=text)
    unready = [why for colour in used if (why := _unready(seen, colour))]
    if unready:
        text = f"users are sent to {', '.join(unready)}; it is started again"
        return Condition("Ready", status=False, reason="PredictorNotReady", message=text)
    text = "every weight is on a colour that is ready"
    return Condition("Ready", status=True, reason="Serving", message=text)


def _unready(seen: Observed, colour: Colour) -> str | None:
    state = seen.colours.get(colour)
    if state is None:
        return f"{colour}, where nothing runs"
    return None if state.ready else f"{colour}, which is not ready: {state.reason}"


def _answering(seen: Observed) -> Iterator[Condition]:
    yield _answers(seen, "RegistryReachable", "registry", "the last state known of it is used")
    yield _answers(seen, "GatewayInEffect", "gateway", "routes stay as they were written")
    yield _answers(seen, "WorkloadsVisible", "workloads", "predictors stay as they were last seen")
    yield from _holding_nodes(seen)
    if seen.rollout and seen.rollout.phase is Phase.SHADOWING:
        text = "the Rollout waits in SHADOWING"
        yield _answers(seen, "DriftMonitorReachable", "drift-monitor", text)
    if seen.rollout and seen.rollout.phase in SPLIT_PHASES:
        yield _answers(seen, "CandidateMeasured", "metrics", "the Rollout waits where it is")
        yield _answers(seen, "PolicyRead", "policy", "the Rollout waits where it is")


def _holding_nodes(seen: Observed) -> Iterator[Condition]:
    holds = [state.holds for state in seen.colours.values() if state.holds]
    if holds:
        text = "; ".join(holds)
        yield Condition("NodesDrainable", status=False, reason="DisruptionBudget", message=text)


def _answers(seen: Observed, kind: str, part: str, meanwhile: str) -> Condition:
    fault = seen.faults.get(part)
    if fault is None:
        return Condition(kind, status=True, reason="Answers", message="")
    return Condition(kind, status=False, reason="DoesNotAnswer", message=f"{fault}; {meanwhile}")
