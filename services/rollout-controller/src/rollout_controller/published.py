"""What people see of a ServedModel beside its spec, as `docs/http-api.md` says it. Pure.

Generations and times of change are the object's, so an adapter adds them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import ACTIVE_PHASES, NOTHING_TO_SERVE, Phase, Rollout, RouteIntent
from lifecycle.stages import Stage
from rollout_controller.conditions import (
    Condition,
    canary_of,
    conditions_of,
    rendered,
    verdict_of,
)
from rollout_controller.memory import ModelMemory
from rollout_controller.observed import Observed

_MOST_REASONS = 10
_LONGEST_REASON = 300
_LONGEST_MESSAGE = 1000
_DIGEST_SHOWN = len("sha256:") + 12


def published_status(memory: ModelMemory, refusal: str | None) -> dict[str, Any]:
    """Return the status of a model that is looked at; `refusal` says why its newest spec is not
    taken over, if it is not.
    """
    seen = memory.seen
    state = memory.state or ModelState(memory.served.name)
    intent = seen.held.route.intent if seen and seen.held else NOTHING_TO_SERVE
    status = {
        **_rollout(state.rollout, state),
        "weights": _weights(intent),
        "route": _route(intent),
        "stages": _stages(state),
        "production": _shown(state.holding(Stage.PRODUCTION)),
        "colours": _colours(seen),
        **_verdict(memory),
        "conditions": [_bounded(each) for each in _conditions(memory, refusal)],
    }
    return {name: value for name, value in status.items() if value is not None}


def refused_status(refusal: str) -> dict[str, Any]:
    """Return the status of an object that never was of use: nothing is done about its model."""
    return {"conditions": [_bounded(each) for each in (_never_ready(), _stalled(refusal))]}


def _rollout(rollout: Rollout | None, state: ModelState) -> dict[str, Any]:
    if rollout is None:
        return {}
    active = rollout.phase in ACTIVE_PHASES
    return {
        "phase": rollout.phase.value,
        "step": rollout.step if rollout.phase is Phase.CANARY else None,
        "paused": rollout.paused[:_LONGEST_MESSAGE] if rollout.paused else None,
        "candidate": _shown(state.find(rollout.candidate)) if active else None,
    }


def _weights(intent: RouteIntent) -> str:
    if intent == NOTHING_TO_SERVE:
        return "none"
    text = f"blue {intent.blue} / green {intent.green}"
    copies = f", mirror {intent.mirror} {intent.mirror_percent} %" if intent.mirror else ""
    return text + copies


def _route(intent: RouteIntent) -> dict[str, Any]:
    weights: dict[str, Any] = {"blue": intent.blue, "green": intent.green}
    if intent.mirror is None:
        return weights
    return {**weights, "mirror": intent.mirror.value, "mirrorPercent": intent.mirror_percent}


def _stages(state: ModelState) -> dict[str, Any]:
    shown = (Stage.STAGING, Stage.SHADOW, Stage.PRODUCTION)
    held = {stage.value.lower(): state.holding(stage) for stage in shown}
    return {
        stage: {"number": version.number, "digest": version.digest}
        for stage, version in held.items()
        if version
    }


def _shown(version: VersionState | None) -> str | None:
    return f"v{version.number} {version.digest[:_DIGEST_SHOWN]}" if version else None


def _colours(seen: Observed | None) -> dict[str, Any]:
    colours = seen.colours if seen else {}
    return {
        colour.value: {**({"digest": state.digest} if state.digest else {}), "ready": state.ready}
        for colour, state in colours.items()
    }


def _verdict(memory: ModelMemory) -> dict[str, Any]:
    verdict = verdict_of(memory)
    if verdict is None:
        return {"canary": canary_of(memory)}
    reasons = [
        {**reason, "text": reason["text"][:_LONGEST_REASON]}
        for reason in verdict["reasons"][:_MOST_REASONS]
    ]
    told = {"verdict": verdict["outcome"], "verdictReasons": reasons}
    return {**told, "canary": canary_of(memory)}


def _conditions(memory: ModelMemory, refusal: str | None) -> Iterator[Condition]:
    found = list(conditions_of(memory))
    if all(condition.type != "Ready" for condition in found):
        yield _never_ready()
    yield from found
    yield _reconciling(memory.seen)
    yield _stalled(refusal)


def _never_ready() -> Condition:
    text = "nothing was looked at yet"
    return Condition("Ready", status=False, reason="NotLookedAt", message=text)


def _reconciling(seen: Observed | None) -> Condition:
    """Waiting for Gates is no reconciling: what is wanted is there, and stays so for days."""
    if seen is None:
        return Condition("Reconciling", status=True, reason="Starting", message="the first look")
    target = seen.target()
    if seen.in_effect is not True or seen.held is None or seen.held.route.intent != target.intent:
        text = f"the route is becoming {_weights(target.intent)}"
        return Condition("Reconciling", status=True, reason="RouteFollows", message=text)
    unready = [
        colour for colour, digest in target.digests.items() if not seen.ready(colour, digest)
    ]
    if unready:
        text = f"not ready yet: {', '.join(unready)}"
        return Condition("Reconciling", status=True, reason="PredictorsFollow", message=text)
    return Condition("Reconciling", status=False, reason="AsWanted", message="")


def _stalled(refusal: str | None) -> Condition:
    if refusal is None:
        return Condition("Stalled", status=False, reason="SpecTaken", message="")
    return Condition("Stalled", status=True, reason="SpecRefused", message=refusal)


def _bounded(condition: Condition) -> dict[str, str]:
    return rendered(replace(condition, message=condition.message[:_LONGEST_MESSAGE]))
