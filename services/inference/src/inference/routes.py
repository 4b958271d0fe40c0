"""HTTP in and out: predictions in three dialects, explanations, and what the protocols tell.

A body that is too large is refused by its length. Requests that need nothing but a cheap
predictor are answered before they come here, in `lane`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from importlib import metadata
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from inference.dialects import PREDICT, V1, V2, Dialect
from inference.envelope import SLICE_HEADER
from inference.predict import Desk, NotReady
from inference.reception import Call, Reception, not_ready
from inference.schemas import TextRequest, render_explanations, render_metadata
from inference.settings import InferenceSettings
from servicekit.problems import Problem
from servicekit.process import Health

_encode = msgspec.json.Encoder().encode


def install_prediction_routes(
    app: FastAPI, reception: Reception, settings: InferenceSettings
) -> None:
    """Add the routes that score texts, and the one that explains."""
    http = _HttpReception(reception, settings.body_limit_bytes)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        return await http.answer(request, PREDICT, settings.model)

    @app.post("/v1/models/{model}:predict")
    async def predict_instances(request: Request, model: str) -> Response:
        return await http.answer(request, V1, model)

    @app.post("/v1/models/{model}:explain")
    async def explain_instances(request: Request, model: str) -> Response:
        return await http.explain(request, model)

    @app.post("/v2/models/{model}/infer")
    async def infer(request: Request, model: str) -> Response:
        return await http.answer(request, V2, model)

    @app.post("/v2/models/{model}/versions/{version}/infer")
    async def infer_version(request: Request, model: str, version: str) -> Response:
        return await http.answer(request, V2, model, version)


def install_server_pages(app: FastAPI, health: Health) -> None:
    """Add the pages on which KServe's two protocols tell of the server."""

    @app.get("/")
    async def server_alive() -> dict[str, Any]:
        return {"status": "alive"}

    @app.get("/v2")
    async def server_metadata() -> dict[str, Any]:
        return describe_server()

    @app.get("/v2/health/live")
    async def server_live() -> dict[str, Any]:
        return {"live": True}

    @app.get("/v2/health/ready")
    async def server_ready() -> dict[str, Any]:
        _require_ready(health)
        return {"ready": True}


def install_model_pages(app: FastAPI, desk: Desk, reception: Reception, health: Health) -> None:
    """Add the pages on which KServe's two protocols tell of the model."""

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"models": [reception.model]}

    @app.get("/v1/models/{model}")
    async def model_state(model: str) -> dict[str, Any]:
        reception.require(model)
        return {"name": model, "ready": health.ready}

    @app.get("/v2/models/{model}/ready")
    @app.get("/v2/models/{model}/versions/{version}/ready")
    async def model_ready(model: str, version: str | None = None) -> dict[str, Any]:
        reception.require(model, version)
        _require_ready(health)
        return {"name": model, "ready": True}

    @app.get("/v2/models/{model}")
    @app.get("/v2/models/{model}/versions/{version}")
    async def model_metadata(model: str, version: str | None = None) -> dict[str, Any]:
        reception.require(model, version)
        return describe_model(desk, model)


def describe_server() -> dict[str, Any]:
    """Return the Open Inference Protocol's metadata of the server; it has no extensions."""
    number = metadata.version("isogloss-inference")
    return {"name": "isogloss-inference", "version": number, "extensions": []}


def describe_model(desk: Desk, model: str) -> dict[str, Any]:
    """Return the Open Inference Protocol's metadata of the model; raises Problem."""
    try:
        manifest = desk.version.manifest
    except NotReady as error:
        raise not_ready() from error
    return render_metadata(model, manifest.digest, manifest.family, manifest.labels)


class _HttpReception:
    """The reception as HTTP reaches it."""

    def __init__(self, reception: Reception, limit_bytes: int) -> None:
        self._reception = reception
        self._limit_bytes = limit_bytes

    async def answer(
        self, request: Request, dialect: Dialect, model: str, version: str | None = None
    ) -> Response:
        call = Call(
            route=dialect.route,
            request_id=request.state.request_id,
            slice_named=lambda key: request.headers.get(SLICE_HEADER + key),
            read=self._reading(request, dialect),
            render=dialect.encode,
            gone=partial(_gone, request),
        )
        body = await self._reception.answer(call, model, version)
        return Response(body, media_type="application/json")

    async def explain(self, request: Request, model: str) -> Response:
        reading = self._reading(request, V1)
        body = _encode(render_explanations(*await self._reception.explain(model, reading)))
        return Response(body, media_type="application/json")

    def _reading(self, request: Request, dialect: Dialect) -> Callable[[], Awaitable[TextRequest]]:
        async def read() -> TextRequest:
            reader = self._reception.reader
            reader.require_plain_json(request.headers.get)
            return reader.read(await _read_body(request, self._limit_bytes), dialect)

        return read


async def _read_body(request: Request, limit: int) -> bytes:
    too_large = Problem(413, "body-too-large", "Body too large", f"At most {limit} bytes are taken")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "incomplete", "Incomplete", "The body ended early.")
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_large
        more = message.get("more_body", False)
    return bytes(body)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _require_ready(health: Health) -> None:
    if not health.ready:
        raise not_ready()
