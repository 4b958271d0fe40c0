"""Errors over HTTP as RFC 9457 problem+json, the same on every page of every service.

Under /v2 the Open Inference Protocol's own member "error" stands beside the problem's members. The
caller's input is never repeated in an answer and a stack trace never leaves the process.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_MEDIA_TYPE = "application/problem+json"
_PAGE = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:isogloss:problem:[a-z0-9-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
"""JSON Schema of every page; what else a problem says, its type decides."""


class Problem(Exception):
    """An answer other than success: raise it in a route, or render it with `problem_page`."""

    def __init__(  # noqa: PLR0913 - the members of RFC 9457, and the headers some of them need
        self,
        status: int,
        type: str,  # noqa: A002 - RFC 9457's word
        title: str,
        detail: str,
        extensions: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.extensions = dict(extensions or {})
        self.headers = dict(headers or {})


def install_problem_pages(app: FastAPI) -> None:
    """Answer every error of this app as problem+json.

    `Problem` as raised; a request that does not fit its schema 422 (400 when it is not JSON) with
    an `errors` list; Starlette's own 404, 405 and the like; anything else 500, logged by uvicorn.
    """
    app.add_exception_handler(Problem, _own_problem)
    app.add_exception_handler(RequestValidationError, _unfit_request)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


def problem_page(problem: Problem, path: str) -> Response:
    """Render a problem as the answer to a request for `path`."""
    members: dict[str, Any] = {
        "type": f"urn:isogloss:problem:{problem.type}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if path == "/v2" or path.startswith("/v2/"):
        members["error"] = problem.detail
    body = json.dumps(problem.extensions | members).encode()
    return Response(body, problem.status, problem.headers, _MEDIA_TYPE)


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an OpenAPI document says of a route's problems: FastAPI's `responses`."""
    content = {_MEDIA_TYPE: {"schema": _PAGE}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def _own_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 - narrows the type Starlette declares
    return problem_page(problem, request.url.path)


def _unfit_request(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, RequestValidationError)  # noqa: S101 - as above
    errors = [
        {"where": ".".join(str(part) for part in error["loc"]), "what": error["msg"]}
        for error in refused.errors()
    ]
    if any(error["type"] == "json_invalid" for error in refused.errors()):
        problem = Problem(400, "not-json", "Not JSON", "The body is not valid JSON.")
    else:
        detail = "; ".join(f"{error['where']}: {error['what']}" for error in errors)
        problem = Problem(
            422, "invalid-request", "Invalid request", detail, extensions={"errors": errors}
        )
    return problem_page(problem, request.url.path)


def _http_exception(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)  # noqa: S101 - as above
    title = HTTPStatus(raised.status_code).phrase
    slug = title.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {raised.detail}"
    headers = {"Allow": _allowed(request)} if raised.status_code == 405 else raised.headers
    problem = Problem(raised.status_code, slug, title, detail, headers=headers)
    return problem_page(problem, request.url.path)


def _allowed(request: Request) -> str:
    """List all methods of a path; Starlette knows those of the first route that has it."""
    asked = ({**request.scope, "method": method} for method in _METHODS)
    return ", ".join(
        scope["method"]
        for scope in asked
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    )


def _unexpected(request: Request, _error: Exception) -> Response:
    detail = "The service failed on this request; its log says why."
    problem = Problem(500, "internal-error", "Internal Server Error", detail)
    return problem_page(problem, request.url.path)
