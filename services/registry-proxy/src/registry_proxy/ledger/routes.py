"""The ledger over HTTP: models, policies, Evidence, waivers, promotions, history."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.ledger import LedgerEntry, read_anchor
from lifecycle.policy_schema import policy_schema
from lifecycle.transitions import Transition, require_version
from registry_proxy.ledger.approve import ApprovalRequest, approve
from registry_proxy.ledger.plan import Chances, plan
from registry_proxy.ledger.ports import Ledger
from registry_proxy.ledger.promote import promote
from registry_proxy.ledger.registry import Registry, Unknown
from registry_proxy.ledger.replay import replay
from registry_proxy.ledger.schemas import (
    AnchorText,
    ApprovalBody,
    Power,
    Share,
    TransitionBody,
    WaiverBody,
)
from registry_proxy.ledger.set_policy import set_policy
from registry_proxy.ledger.settle import Asked
from registry_proxy.ledger.submit_evidence import submit_evidence
from registry_proxy.ledger.trust import is_envelope
from registry_proxy.ledger.waive import WaiverRequest, waive
from registry_proxy.ledger.why import why
from registry_proxy.schemas import JsonObject, ModelName
from servicekit.callers import Caller, Callers, caller_dependency
from servicekit.problems import problem_answers

_READING = problem_answers(404, 422)
_WRITING = problem_answers(400, 404, 409, 413, 422)
_THERE = {"description": "It was there already."}
_YAML: dict[str, Any] = {"content": {"application/yaml": {"schema": {"type": "object"}}}}
_EXPORT_ENTRIES = 500
"""Entries read at a time while exporting: no reader holds the file open for long."""


class _Yaml(Response):
    media_type = "application/yaml"


class _JsonLines(StreamingResponse):
    media_type = "application/jsonl"


def ledger_routes(registry: Registry, callers: Callers) -> APIRouter:
    """Return every route of the ledger but the Rollouts'."""
    router = APIRouter(responses=problem_answers(401, 403, 503))
    _add_reads(router, registry, callers)
    _add_documents(router, registry, callers)
    _add_forecast_and_replay(router, registry, callers)
    _add_audit(router, registry, callers)
    _add_policy_and_moves(router, registry, callers)
    _add_evidence_and_waivers(router, registry, callers)
    return router


def _add_reads(router: APIRouter, registry: Registry, callers: Callers) -> None:
    viewer = [Depends(caller_dependency(callers, "viewer"))]

    @router.get("/v1/models", dependencies=viewer)
    def models() -> dict[str, Any]:
        names = registry.ledger.models()
        return {"models": [registry.ledger.state(name).to_dict() for name in names]}

    @router.get("/v1/models/{m}", dependencies=viewer, responses=_READING)
    def model(m: ModelName) -> dict[str, Any]:
        return registry.model(m).to_dict()

    @router.get("/v1/models/{m}/versions/{ref}", dependencies=viewer, responses=_READING)
    def version(m: ModelName, ref: str) -> dict[str, Any]:
        return asdict(registry.version(m, ref))

    @router.get("/v1/models/{m}/versions/{ref}/why", dependencies=viewer, responses=_READING)
    def why_not(m: ModelName, ref: str) -> dict[str, Any]:
        return why(registry, m, ref).to_dict()


def _add_documents(router: APIRouter, registry: Registry, callers: Callers) -> None:
    viewer = [Depends(caller_dependency(callers, "viewer"))]

    @router.get(
        "/v1/models/{m}/policy",
        dependencies=viewer,
        response_class=_Yaml,
        responses={200: _YAML, 304: {"description": "The caller has it."}, **_READING},
    )
    def policy(m: ModelName, request: Request) -> Response:
        digest = registry.model(m).policy
        content = registry.ledger.document(digest) if digest else None
        if content is None:
            raise Unknown(f"{m} has no gate policy; put one")
        headers = {"etag": f'"{digest}"'}
        if headers["etag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return _Yaml(content, headers=headers)

    @router.get("/v1/evidence/{digest}", dependencies=viewer, responses=_READING)
    def evidence(digest: str) -> Response:
        content = registry.ledger.document(digest)
        if content is None or not is_envelope(content):
            raise Unknown(f"the ledger has no evidence {digest}")
        return Response(content, media_type="application/json")


def _add_forecast_and_replay(router: APIRouter, registry: Registry, callers: Callers) -> None:
    viewer = [Depends(caller_dependency(callers, "viewer"))]

    @router.get("/v1/models/{m}/plan", dependencies=viewer, responses=_READING)
    def forecast(m: ModelName, power: Power = 0.8, share: Share = 0.1) -> dict[str, Any]:
        policy = registry.policy(registry.model(m))
        if policy is None:
            raise Unknown(f"{m} has no gate policy; put one")
        return plan(policy, Chances(power, share)).to_dict()

    @router.get("/v1/models/{m}/replay", dependencies=viewer, responses=_READING)
    def judged_again(m: ModelName, rollout: str | None = None) -> dict[str, Any]:
        return {"steps": [step.to_dict() for step in replay(registry, m, rollout)]}


def _add_audit(router: APIRouter, registry: Registry, callers: Callers) -> None:
    viewer = [Depends(caller_dependency(callers, "viewer"))]
    ledger = registry.ledger

    @router.get("/v1/models/{m}/history", dependencies=viewer, responses=_READING)
    def history(m: ModelName) -> dict[str, Any]:
        registry.model(m)
        return {"entries": [entry.to_dict() for entry in _entries(ledger, m)]}

    @router.get("/v1/ledger", dependencies=viewer, response_class=_JsonLines)
    def export() -> StreamingResponse:
        lines = (json.dumps(entry.to_dict()) + "\n" for entry in _entries(ledger, None))
        return _JsonLines(lines)

    @router.get("/v1/ledger/verify", dependencies=viewer, responses=problem_answers(422))
    def verify(anchor: AnchorText | None = None) -> dict[str, Any]:
        return asdict(ledger.verify([read_anchor(anchor)] if anchor else []))


def _entries(ledger: Ledger, model: str | None) -> Iterator[LedgerEntry]:
    after = 0
    while page := ledger.entries(model, after, _EXPORT_ENTRIES):
        yield from page
        after = page[-1].seq


def _add_policy_and_moves(router: APIRouter, registry: Registry, callers: Callers) -> None:
    operator = Annotated[Caller, Depends(caller_dependency(callers, "operator"))]
    policy_body = {"content": {"application/yaml": {"schema": policy_schema()}}, "required": True}

    @router.put(
        "/v1/models/{m}/policy", responses=_WRITING, openapi_extra={"requestBody": policy_body}
    )
    def put_policy(
        m: ModelName, caller: operator, content: Annotated[bytes, Depends(_raw_body)]
    ) -> dict[str, Any]:
        settled = set_policy(registry, Asked(m, caller.name, {"policy": m}), content)
        return {"policy": settled.told, "seq": settled.state.seq}

    @router.post("/v1/models/{m}/transitions", responses=_WRITING)
    def post_transition(m: ModelName, caller: operator, body: TransitionBody) -> dict[str, Any]:
        asked = Asked(m, caller.name, {"transition": {"digest": body.digest, "to": body.to}})
        transition = Transition(body.digest, body.to, body.expected_seq)
        settled = promote(registry, asked, transition)
        return {
            "version": asdict(require_version(settled.state, body.digest)),
            "verdict": settled.told.to_dict(),
            "seq": settled.state.seq,
        }


def _add_evidence_and_waivers(router: APIRouter, registry: Registry, callers: Callers) -> None:
    operator = Annotated[Caller, Depends(caller_dependency(callers, "operator"))]
    approver = Annotated[Caller, Depends(caller_dependency(callers, "approver", "operator"))]
    measuring = caller_dependency(callers, "gate", "drift-monitor", "rollout-controller")

    @router.post("/v1/models/{m}/evidence", status_code=201, responses={200: _THERE, **_WRITING})
    def post_evidence(
        m: ModelName,
        caller: Annotated[Caller, Depends(measuring)],
        envelope: JsonObject,
        response: Response,
    ) -> dict[str, Any]:
        asked = Asked(m, caller.name, {"evidence": sha256_digest(canonical_json(envelope))})
        settled = submit_evidence(registry, asked, envelope)
        response.status_code = 201 if settled.told.new else 200
        return {"evidence": settled.told.evidence, "seq": settled.state.seq}

    @router.post("/v1/models/{m}/approvals", responses=_WRITING)
    def post_approval(m: ModelName, caller: approver, body: ApprovalBody) -> dict[str, Any]:
        request = ApprovalRequest(**body.model_dump())
        settled = approve(registry, Asked(m, caller.name, {"approval": asdict(request)}), request)
        return {**asdict(settled.told), "seq": settled.state.seq}

    @router.post("/v1/models/{m}/waivers", status_code=201, responses=_WRITING)
    def post_waiver(m: ModelName, caller: operator, body: WaiverBody) -> dict[str, Any]:
        request = WaiverRequest(**body.model_dump())
        settled = waive(registry, Asked(m, caller.name, {"waiver": asdict(request)}), request)
        return {"evidence": settled.told, "seq": settled.state.seq}


async def _raw_body(request: Request) -> bytes:
    return await request.body()
