"""The door over HTTP: MLflow's own paths, for its unmodified client, with our callers' tokens."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from registry_proxy.door.allowed import Matched, instead_of, match
from registry_proxy.door.paths import PathRefused, canonical_path
from registry_proxy.door.ports import (
    Answer,
    Forwarded,
    Mlflow,
    MlflowUnavailable,
    PodsUnavailable,
    Standing,
    StandingUnavailable,
)
from registry_proxy.door.rules import Asked, DoorRefused, judge_write
from registry_proxy.door.witness import Witness
from servicekit.callers import Caller, Callers, caller_dependency
from servicekit.problems import Problem, problem_page

_log = logging.getLogger(__name__)

UPLOADS = "/2.0/mlflow-artifacts/artifacts/"
"""In the path of every call whose body is a file's bytes."""
_PLACES = (
    *("/api/{rest:path}", "/ajax-api/{rest:path}", "/graphql", "/get-artifact"),
    *("/model-versions/{rest:path}", "/v1/traces", "/gateway/{rest:path}", "/version", "/health"),
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_REDIRECTS = 300
_OPEN = frozenset({"/health", "/version"})
_SENT_ON = ("accept", "content-length", "content-type", "range", "user-agent")
_HANDED_BACK = (
    *("content-type", "content-length", "content-disposition", "content-range", "content-encoding"),
    *("accept-ranges", "etag", "last-modified"),
)

_FAULTS: Mapping[type[Exception], tuple[int, str, str]] = {
    MlflowUnavailable: (502, "mlflow-unavailable", "MLflow unavailable"),
    StandingUnavailable: (503, "ledger-unavailable", "Ledger unavailable"),
    PodsUnavailable: (503, "pods-unavailable", "Pods unavailable"),
    # Nobody reads this answer; without it the log would call it a fault of ours.
    ClientDisconnect: (400, "broken-off", "Broken off"),
}

Count = Callable[[str], None]
"""Counts a call that was refused, by the reason's slug."""


@dataclass(frozen=True)
class Door:
    """MLflow behind it, the ledger that it guards, who hears of a refusal, and who states which
    image made a version (None: nobody, outside of a cluster).
    """

    mlflow: Mlflow
    standing: Standing
    count_refusal: Count
    witness: Witness | None = None


def door_routes(door: Door, callers: Callers) -> APIRouter:
    """Return the routes of the door."""
    router = APIRouter(include_in_schema=False)
    reading = caller_dependency(callers, "viewer")
    writing = caller_dependency(callers, "trainer")

    async def pass_on(request: Request) -> Response:
        caller, matched, path = await _admit(request, reading, writing)
        if matched is None:
            return await _answered(door, Forwarded("GET", path, b"", {}, None))
        body, query = await _judged(door, request, caller, matched)
        headers = {k: request.headers[k] for k in _SENT_ON if k in request.headers}
        if isinstance(body, bytes):
            headers |= {"content-type": "application/json", "content-length": str(len(body))}
        forwarded = Forwarded(request.method, path, query, headers, body)
        return await _witnessed(door, caller, matched, forwarded)

    for place in _PLACES:
        router.add_api_route(place, pass_on, methods=list(_METHODS))
    return router


def install_door_errors(app: FastAPI, count_refusal: Count) -> None:
    """Answer refusals as problem+json that MLflow's client can read, too."""

    def refused(request: Request, raised: Exception) -> Response:
        assert isinstance(raised, DoorRefused)  # noqa: S101 - narrows the type Starlette declares
        count_refusal(raised.code.lower())
        _log.info("call to MLflow refused", extra={"why": str(raised), "method": request.method})
        members = {"error_code": raised.code, "message": str(raised), "instead": raised.instead}
        slug = "mlflow-call-refused"
        problem = Problem(raised.status, slug, "MLflow call refused", str(raised), members)
        return problem_page(problem, request.url.path)

    app.add_exception_handler(DoorRefused, refused)
    for fault, row in _FAULTS.items():
        app.add_exception_handler(fault, _page(*row))


def _page(status: int, slug: str, title: str) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, raised: Exception) -> Response:
        members = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": str(raised)}
        return problem_page(Problem(status, slug, title, str(raised), members), request.url.path)

    return answer


_Require = Callable[[Request], Awaitable[Caller]]


async def _admit(
    request: Request, reading: _Require, writing: _Require
) -> tuple[Caller, Matched | None, str]:
    """Return who calls and the route; None for the two pages that need no caller."""
    raw = request.scope.get("raw_path") or request.url.path.encode()
    try:
        path = canonical_path(raw)
    except PathRefused as error:
        await reading(request)
        raise DoorRefused(
            400, "INVALID_PARAMETER_VALUE", f"the path is refused: {error}", instead_of("")
        ) from error
    if path in _OPEN and request.method == "GET":
        return Caller("anybody", frozenset()), None, path
    matched = match(request.method, path)
    caller = await (writing if matched and matched.writes else reading)(request)
    if matched is None:
        said = f"{request.method} {path} does not pass"
        raise DoorRefused(403, "PERMISSION_DENIED", said, instead_of(path))
    return caller, matched, path


async def _judged(
    door: Door, request: Request, caller: Caller, matched: Matched
) -> tuple[bytes | AsyncIterator[bytes] | None, bytes]:
    """Return the body and the query to forward."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise _malformed("a compressed body cannot be judged", 415)
    query = request.scope.get("query_string", b"")
    if request.method == "GET":
        return None, query
    if query:
        raise _malformed("a query beside a body can contradict it", 400)
    body = {} if matched.streams else _read_object(await request.body())
    if not matched.writes:
        return json.dumps(body).encode(), b""
    models = await asyncio.to_thread(door.standing.models)
    judged = await judge_write(Asked(caller.name, matched, body, models), door.mlflow)
    return (request.stream() if matched.streams else json.dumps(judged).encode()), b""


def _read_object(content: bytes) -> dict[str, Any]:
    """Read a body in which no member can be read in two ways."""
    try:
        body = json.loads(content or b"{}", object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"the body is no unambiguous JSON: {error}", 400) from error
    if not isinstance(body, dict):
        raise _malformed("the body is no JSON object", 400)
    # MLflow reads `runId` as `run_id`; its client never writes it so.
    strange = [key for key in body if key != key.lower()]
    if strange:
        raise _malformed(f"{strange[0]} is not written in small letters", 400)
    return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _malformed(text: str, status: int) -> DoorRefused:
    instead = "the form that MLflow's own client sends"
    return DoorRefused(status, "INVALID_PARAMETER_VALUE", text, instead)


async def _witnessed(door: Door, caller: Caller, matched: Matched, request: Forwarded) -> Response:
    """Send a call on; who hands a version's manifest in is stated before it is told of success."""
    if door.witness is None:
        return await _answered(door, request)
    request, statement = await door.witness.look(caller, matched, request)
    response = await _answered(door, request)
    if statement and response.status_code < _REDIRECTS:
        await door.witness.testify(statement, door.mlflow)
    return response


async def _answered(door: Door, request: Forwarded) -> Response:
    answer = await door.mlflow.forward(request)
    if answer.status >= 500:
        await answer.close()
        raise MlflowUnavailable(f"MLflow answered {answer.status}; look at its log")
    return StreamingResponse(
        _closing(answer), status_code=answer.status, headers=_handed_back(answer.headers)
    )


def _handed_back(headers: Mapping[str, str]) -> dict[str, str]:
    # Nothing that MLflow serves may be taken for a page of ours.
    kept = {name: headers[name] for name in _HANDED_BACK if name in headers}
    return {**kept, "x-content-type-options": "nosniff", "content-security-policy": "sandbox"}


async def _closing(answer: Answer) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.chunks():
            yield chunk
    finally:
        await answer.close()
