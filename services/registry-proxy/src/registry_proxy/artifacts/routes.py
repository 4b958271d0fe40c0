"""Artifacts over HTTP: registering a run's, and serving them by digest."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from lifecycle.digests import is_digest
from registry_proxy.artifacts.manifests import ArtifactRefused, named_files
from registry_proxy.artifacts.ports import (
    ArtifactDamaged,
    ArtifactStore,
    RunsUnavailable,
    RunUnknown,
    StoreUnavailable,
)
from registry_proxy.artifacts.ranges import RangeUnsatisfiable, read_range
from registry_proxy.artifacts.register import Admission, Registration
from registry_proxy.artifacts.reserve import BeingCollected
from registry_proxy.artifacts.schemas import RegisterBody
from registry_proxy.schemas import ModelName
from servicekit.callers import Caller, Callers, caller_dependency
from servicekit.problems import Problem, problem_answers, problem_page

_ERRORS: Mapping[type[Exception], tuple[int, str, str]] = {
    ArtifactRefused: (422, "artifact-refused", "Artifact refused"),
    RunUnknown: (404, "unknown-run", "Unknown run"),
    RunsUnavailable: (502, "mlflow-unavailable", "MLflow unavailable"),
    StoreUnavailable: (503, "store-unavailable", "Artifact store unavailable"),
    BeingCollected: (409, "being-collected", "Being collected"),
    ArtifactDamaged: (500, "artifact-damaged", "Artifact damaged"),
}
_IMMUTABLE = "private, max-age=31536000, immutable"
"""What a digest names never changes."""
_REGISTERING: dict[int | str, dict[str, Any]] = {
    200: {"description": "It was there already."},
    **problem_answers(400, 409, 413, 502),
}
_UNCHANGED = {"description": "The caller has it."}
_PART = {"description": "The range.", "content": {"application/octet-stream": {}}}
_FILE: dict[int | str, dict[str, Any]] = {206: _PART, 304: _UNCHANGED, **problem_answers(416)}


class _Bytes(StreamingResponse):
    media_type = "application/octet-stream"


def artifact_routes(admission: Admission, callers: Callers) -> APIRouter:
    """Return the routes that trainers and predictors call."""
    router = APIRouter(responses=problem_answers(401, 403, 404, 422, 500, 503))
    viewer = [Depends(caller_dependency(callers, "viewer"))]
    trainer = Annotated[Caller, Depends(caller_dependency(callers, "trainer"))]
    store = admission.store

    @router.post("/v1/models/{m}/versions", status_code=201, responses=_REGISTERING)
    def register(
        m: ModelName, caller: trainer, body: RegisterBody, response: Response
    ) -> dict[str, Any]:
        recorded = admission.register(Registration(m, caller.name, body.run_id, body.artifact_path))
        response.status_code = 201 if recorded.new else 200
        return {"version": asdict(recorded.version), "seq": recorded.seq}

    @router.get("/v1/artifacts/{digest}/manifest", dependencies=viewer, responses={304: _UNCHANGED})
    def manifest(digest: str, request: Request) -> Response:
        content = _manifest(store, digest)
        headers = _headers(digest)
        if _has_it(request, headers):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/json", headers=headers)

    @router.get(
        "/v1/artifacts/{digest}/files/{path:path}",
        dependencies=viewer,
        response_class=_Bytes,
        responses=_FILE,
    )
    def file(digest: str, path: str, request: Request) -> Response:
        content = named_files(_manifest(store, digest)).get(path)
        if content is None:
            raise Problem(404, "unknown", "Unknown", f"artifact {digest} has no such file")
        headers = _headers(content)
        if _has_it(request, headers):
            return Response(status_code=304, headers=headers)
        return _stream(store, digest, path, content, request)

    return router


def install_artifact_errors(app: FastAPI) -> None:
    """Answer the refusals of this side as problem+json."""
    for refusal, row in _ERRORS.items():
        app.add_exception_handler(refusal, _page(*row))


def _page(status: int, slug: str, title: str) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, refused: Exception) -> Response:
        return problem_page(Problem(status, slug, title, str(refused)), request.url.path)

    return answer


def _manifest(store: ArtifactStore, digest: str) -> bytes:
    content = store.manifest(digest) if is_digest(digest) else None
    if content is None:
        raise Problem(404, "unknown", "Unknown", f"there is no artifact {digest}")
    return content


def _headers(content: str) -> dict[str, str]:
    return {"etag": f'"{content}"', "cache-control": _IMMUTABLE, "accept-ranges": "bytes"}


def _has_it(request: Request, headers: Mapping[str, str]) -> bool:
    return headers["etag"] in request.headers.get("if-none-match", "")


def _stream(
    store: ArtifactStore, digest: str, name: str, content: str, request: Request
) -> Response:
    """Serve a file or one range of it, after every byte of it was checked."""
    headers = _headers(content)
    opened = store.open(digest, name, content)
    whole = request.headers.get("if-range", headers["etag"]) != headers["etag"]
    try:
        asked = None if whole else read_range(request.headers.get("range"), opened.size)
    except RangeUnsatisfiable as error:
        opened.close()
        headers = {"content-range": f"bytes */{opened.size}"}
        title = "Range Not Satisfiable"
        raise Problem(416, "range-not-satisfiable", title, str(error), headers=headers) from error
    start, stop = asked or (0, opened.size)
    headers["content-length"] = str(stop - start)
    if asked:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{opened.size}"
    status = 206 if asked else 200
    return _Bytes(opened.read(start, stop), status_code=status, headers=headers)
