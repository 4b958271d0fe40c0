"""HTTP in and out: who may ask for what, and which outcome is which status. No decisions."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from lifecycle.transitions import TransitionRefused
from rollout_controller.alerts import Alert, heed_alerts
from rollout_controller.conditions import status_document
from rollout_controller.follow import Loops
from rollout_controller.foresee import NeverEnds, foresee
from rollout_controller.memory import ModelMemory, Rollback
from rollout_controller.mirror_arrivals import Arrival, MirrorArrivals
from rollout_controller.operate import abort, pause, resume, start_rollout
from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    PairsUnreachable,
    Ports,
    WorkloadsUnreachable,
)
from rollout_controller.rollback_by_hand import CannotGoBack, roll_back
from rollout_controller.schemas import (
    AlertItem,
    AlertsBody,
    ModelName,
    ProbeNumber,
    ProbeTag,
    ReasonBody,
    RollbackBody,
    StartBody,
)
from servicekit.callers import Caller, Callers, caller_dependency
from servicekit.problems import Problem, problem_answers, problem_page

_TABLE: Mapping[type[Exception], tuple[int, str, str]] = {
    TransitionRefused: (404, "unknown-version", "Unknown version"),
    NeverEnds: (409, "never-ends", "Would never end"),
    CannotGoBack: (409, "cannot-go-back", "Cannot go back"),
    LedgerUnreachable: (503, "registry-unreachable", "Registry unreachable"),
    PairsUnreachable: (503, "drift-monitor-unreachable", "Drift monitor unreachable"),
    GatewayUnreachable: (503, "gateway-unreachable", "Gateway unreachable"),
    WorkloadsUnreachable: (503, "workloads-unreachable", "Workloads unreachable"),
}
_MOVING = problem_answers(400, 409)
_RETRY_AFTER = {"Retry-After": "2"}
_LONGEST_SUMMARY = 500


def rollout_routes(loops: Loops, ports: Ports, callers: Callers) -> APIRouter:
    """Return the routes of this service."""
    router = APIRouter(responses=problem_answers(401, 403, 404, 422, 503))
    _add_pages(router, loops, ports, callers)
    operator = Annotated[Caller, Depends(caller_dependency(callers, "operator"))]

    @router.post("/v1/models/{m}/rollouts", status_code=202, responses=_MOVING)
    async def start(m: ModelName, _caller: operator, body: StartBody) -> dict[str, Any]:
        memory = _memory(loops, m)
        rollout = await start_rollout(ports, memory, body.version, supersede=body.supersede)
        return {"rollout": rollout.to_dict()}

    @router.post("/v1/models/{m}/rollouts/current/pause", responses=_MOVING)
    async def hold(m: ModelName, caller: operator, body: ReasonBody) -> dict[str, Any]:
        memory = _memory(loops, m)
        return _changed(memory, await pause(ports, memory, _said(body, caller)))

    @router.post("/v1/models/{m}/rollouts/current/resume", responses=_MOVING)
    async def go_on(m: ModelName, _caller: operator, _body: ReasonBody) -> dict[str, Any]:
        memory = _memory(loops, m)
        return _changed(memory, await resume(ports, memory))

    @router.post("/v1/models/{m}/rollouts/current/abort", responses=_MOVING)
    async def give_up(m: ModelName, caller: operator, body: ReasonBody) -> dict[str, Any]:
        memory = _memory(loops, m)
        return _changed(memory, await abort(ports, memory, _said(body, caller)))

    @router.post("/v1/models/{m}/rollback", responses=_MOVING)
    async def back(m: ModelName, caller: operator, body: RollbackBody) -> dict[str, Any]:
        memory = _memory(loops, m)
        done = await roll_back(ports, memory, _said(body, caller), body.to)
        return _told(done) if done else _nothing_to_do(memory, ports.clock.now())

    return router


def alert_routes(loops: Loops, ports: Ports, callers: Callers) -> APIRouter:
    """Return where Alertmanager tells its alerts."""
    router = APIRouter(responses=problem_answers(400, 401, 403, 422, 503))
    alertmanager = Annotated[Caller, Depends(caller_dependency(callers, "alertmanager"))]

    @router.post("/v1/alerts")
    async def hear(caller: alertmanager, body: AlertsBody) -> dict[str, Any]:
        told = [_alert(item) for item in body.alerts]
        heeded = await heed_alerts(ports, loops.find, told, caller.name)
        return {
            "alerts": [
                {"model": each.alert.model, "outcome": each.heed.value, "reason": each.reason}
                for each in heeded
            ]
        }

    return router


def mirror_probe_routes(arrivals: MirrorArrivals) -> APIRouter:
    """Return where the probe requests of a mirror arrive; who knows the tag may come."""
    router = APIRouter(responses=problem_answers(404, 422))

    @router.post("/mirror-probe/{tag}", status_code=204)
    async def arrive(tag: ProbeTag, number: ProbeNumber, request: Request) -> None:
        arrival = Arrival(number, request.headers.get("x-request-id", ""))
        if not arrivals.arrived(tag, arrival):
            detail = "No probe of that tag is under way in this replica."
            raise Problem(404, "unknown-probe", "Unknown probe", detail)

    return router


def install_rollout_errors(app: FastAPI) -> None:
    """Answer this service's refusals as problem+json."""
    for kind, (status, slug, title) in _TABLE.items():
        app.add_exception_handler(kind, _page(status, slug, title))
    app.add_exception_handler(LedgerRefused, _ledger_refused)


def _add_pages(router: APIRouter, loops: Loops, ports: Ports, callers: Callers) -> None:
    viewer = Depends(caller_dependency(callers, "viewer"))

    @router.get("/v1/models/{m}", dependencies=[viewer])
    async def status(m: ModelName) -> dict[str, Any]:
        held, colours = await ports.gateway.read(m), await ports.workloads.observe(m)
        return status_document(_memory(loops, m), held, colours)

    @router.get("/v1/models/{m}/plan", dependencies=[viewer])
    async def outlook(m: ModelName) -> dict[str, Any]:
        memory = _memory(loops, m)
        seen = await foresee(ports, memory, await ports.ledger.fetch_state(m))
        if seen is None:
            raise Problem(404, "no-policy", "No gate policy", f"{m} has no gate policy; put one")
        return dict(seen.to_dict())


def _page(status: int, slug: str, title: str) -> Any:
    async def answer(request: Request, error: Exception) -> Response:
        headers = _RETRY_AFTER if status == 503 else None
        problem = Problem(status, slug, title, str(error), headers=headers)
        return problem_page(problem, request.url.path)

    return answer


async def _ledger_refused(request: Request, refused: Exception) -> Response:
    """Pass the registry's refusal on: its words say what to do."""
    assert isinstance(refused, LedgerRefused)  # noqa: S101 - narrows the type Starlette declares
    kept = {k: v for k, v in refused.members.items() if k in {"seq", "verdict"}}
    problem = Problem(409, refused.problem, "Refused by the registry", str(refused), kept)
    return problem_page(problem, request.url.path)


def _alert(item: AlertItem) -> Alert:
    summary = item.annotations.get("summary", "")[:_LONGEST_SUMMARY]
    return Alert(item.status == "firing", item.starts_at.timestamp(), item.labels, summary)


def _memory(loops: Loops, model: str) -> ModelMemory:
    memory = loops.find(model)
    if memory is None:
        known = "; ".join(f"{name}: {why}" for name, why in loops.refused.items())
        detail = f"No ServedModel {model}: write one. {known}".strip()
        raise Problem(404, "unknown-model", "Unknown model", detail)
    return memory


def _said(body: ReasonBody | RollbackBody, caller: Caller) -> str:
    return f"{body.reason} ({caller.name})"


def _changed(memory: ModelMemory, changed: bool) -> dict[str, Any]:  # noqa: FBT001 - the answer's own field
    rollout = memory.state.rollout if memory.state else None
    return {"changed": changed, "rollout": rollout.to_dict() if rollout else None}


def _told(done: Rollback) -> dict[str, Any]:
    if done.effective_at is None:
        raise Problem(
            503,
            "not-in-effect",
            "Not in effect",
            "The route is written with its Marker, but the gateway does not say that it is in "
            "effect: look at the gateway; nothing has to be asked for again.",
            {"to": done.to, "decided_at": done.decided_at},
        )
    return {
        "rolled_back": True,
        "to": done.to,
        "decided_at": done.decided_at,
        "effective_at": done.effective_at,
        "milliseconds": done.milliseconds,
        "recorded": done.recorded,
    }


def _nothing_to_do(memory: ModelMemory, now: float) -> dict[str, Any]:
    seen = memory.seen
    intent = seen.held.route.intent if seen and seen.held else None
    serving = [c for c, s in seen.colours.items() if intent and intent.weight(c)] if seen else []
    return {
        "rolled_back": False,
        "to": seen.colours[serving[0]].digest if seen and serving else None,
        "decided_at": now,
        "effective_at": now,
        "milliseconds": 0.0,
        "recorded": True,
    }
