"""The Rollouts of the ledger over HTTP: start, advance, pause, resume, end."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from lifecycle.rollouts import Rollout
from registry_proxy.ledger.advance_rollout import AdvanceRequest, advance_rollout
from registry_proxy.ledger.end_rollout import EndRequest, end_rollout
from registry_proxy.ledger.pause_rollout import PauseRequest, pause_rollout
from registry_proxy.ledger.registry import Registry
from registry_proxy.ledger.schemas import AdvanceBody, EndBody, PauseBody, StartBody
from registry_proxy.ledger.settle import Asked, Settled
from registry_proxy.ledger.start_rollout import StartRequest, start_rollout
from registry_proxy.schemas import ModelName
from servicekit.callers import Caller, Callers, caller_dependency
from servicekit.problems import problem_answers


def rollout_routes(registry: Registry, callers: Callers) -> APIRouter:
    """Return the routes that the rollout-controller calls."""
    router = APIRouter(responses=problem_answers(400, 401, 403, 404, 409, 413, 422, 503))
    _add_steps(router, registry, callers)
    _add_pauses(router, registry, callers)
    return router


def _add_steps(router: APIRouter, registry: Registry, callers: Callers) -> None:
    controller = Annotated[Caller, Depends(caller_dependency(callers, "rollout-controller"))]

    @router.post("/v1/models/{m}/rollouts", status_code=201)
    def start(m: ModelName, caller: controller, body: StartBody) -> dict[str, Any]:
        asked = Asked(m, caller.name, {"rollout": {"digest": body.digest}})
        request = StartRequest(body.digest, body.expected_seq)
        return _told(start_rollout(registry, asked, request))

    @router.post("/v1/models/{m}/rollouts/{rollout}/advance")
    def advance(
        m: ModelName, rollout: str, caller: controller, body: AdvanceBody
    ) -> dict[str, Any]:
        what = {"id": rollout, "phase": body.phase, "step": body.step}
        request = AdvanceRequest(
            rollout, body.phase, body.step, body.expected_seq, body.evidence, body.judge_only
        )
        settled = advance_rollout(registry, Asked(m, caller.name, {"advance": what}), request)
        return {
            "advanced": settled.told.advanced,
            "verdict": settled.told.verdict.to_dict(),
            "rollout": settled.told.rollout.to_dict(),
            "seq": settled.state.seq,
        }

    @router.post("/v1/models/{m}/rollouts/{rollout}/end")
    def end(m: ModelName, rollout: str, caller: controller, body: EndBody) -> dict[str, Any]:
        asked = Asked(m, caller.name, {"end": {"id": rollout, "phase": body.phase}})
        return _told(end_rollout(registry, asked, _end_request(rollout, body)))


def _add_pauses(router: APIRouter, registry: Registry, callers: Callers) -> None:
    controller = Annotated[Caller, Depends(caller_dependency(callers, "rollout-controller"))]

    @router.post("/v1/models/{m}/rollouts/{rollout}/pause")
    def pause(m: ModelName, rollout: str, caller: controller, body: PauseBody) -> dict[str, Any]:
        asked = Asked(m, caller.name, {"pause": {"id": rollout}})
        request = PauseRequest(rollout, body.reason, body.expected_seq, paused=True)
        return _told(pause_rollout(registry, asked, request))

    @router.post("/v1/models/{m}/rollouts/{rollout}/resume")
    def resume(m: ModelName, rollout: str, caller: controller, body: PauseBody) -> dict[str, Any]:
        asked = Asked(m, caller.name, {"resume": {"id": rollout}})
        request = PauseRequest(rollout, body.reason, body.expected_seq, paused=False)
        return _told(pause_rollout(registry, asked, request))


def _end_request(rollout: str, body: EndBody) -> EndRequest:
    return EndRequest(
        rollout=rollout,
        phase=body.phase,
        reason=body.reason,
        marker=body.marker.to_marker() if body.marker else None,
        verdict=body.verdict.to_verdict() if body.verdict else None,
        facts=body.facts,
        envelope=body.evidence,
    )


def _told(settled: Settled[Rollout]) -> dict[str, Any]:
    return {"rollout": settled.told.to_dict(), "seq": settled.state.seq}
