"""HTTP in and out: the prediction routes of three dialects, and the error table.

A body that is too large is refused by its length. Requests that need nothing but a cheap
predictor are answered before they come here, in `lane`.
"""

from functools import partial
from importlib import metadata
from typing import Any

from fastapi import FastAPI, Request, Response

from inference.dialects import PREDICT, V1, V2, Dialect, Reader
from inference.envelope import SLICE_HEADER
from inference.metrics import Outcome  # noqa: TC001 - a plain import, as everywhere here
from inference.predict import CallerGone, Desk, NotReady
from inference.schemas import Labelled, TextRequest, render_metadata
from inference.score import QueueFull
from inference.settings import InferenceSettings
from servicekit.problems import Problem
from servicekit.process import Health


def install_prediction_routes(app: FastAPI, desk: Desk, settings: InferenceSettings) -> None:
    """Add the routes that score texts."""
    reception = _Reception(desk, settings)

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        return await reception.answer(request, PREDICT, settings.model)

    @app.post("/v1/models/{model}:predict")
    async def predict_instances(request: Request, model: str) -> Response:
        return await reception.answer(request, V1, model)

    @app.post("/v2/models/{model}/infer")
    async def infer(request: Request, model: str) -> Response:
        return await reception.answer(request, V2, model)


def install_server_pages(app: FastAPI, health: Health) -> None:
    """Add the pages on which the Open Inference Protocol tells of the server."""

    @app.get("/v2")
    async def server_metadata() -> dict[str, Any]:
        number = metadata.version("isogloss-inference")
        return {"name": "isogloss-inference", "version": number, "extensions": []}

    @app.get("/v2/health/live")
    async def server_live() -> dict[str, Any]:
        return {"live": True}

    @app.get("/v2/health/ready")
    async def server_ready() -> dict[str, Any]:
        _require_ready(health)
        return {"ready": True}


def install_model_pages(app: FastAPI, desk: Desk, served: str, health: Health) -> None:
    """Add the pages on which KServe's two protocols tell of the model."""

    @app.get("/v1/models/{model}")
    async def model_state(model: str) -> dict[str, Any]:
        _require_model(model, served)
        return {"name": model, "ready": health.ready}

    @app.get("/v2/models/{model}/ready")
    async def model_ready(model: str) -> dict[str, Any]:
        _require_model(model, served)
        _require_ready(health)
        return {"name": model, "ready": True}

    @app.get("/v2/models/{model}")
    async def model_metadata(model: str) -> dict[str, Any]:
        _require_model(model, served)
        try:
            manifest = desk.version.manifest
        except NotReady as error:
            raise _not_ready() from error
        return render_metadata(model, manifest.digest, manifest.family, manifest.labels)


class _Reception:
    """Where requests for predictions come in, whatever their dialect, and answers go out."""

    def __init__(self, desk: Desk, settings: InferenceSettings) -> None:
        self._desk = desk
        self._settings = settings
        self._reader = Reader(settings)

    async def answer(self, request: Request, dialect: Dialect, model: str) -> Response:
        """Answer one request; every outcome is counted, also that of a fault."""
        exchange = self._desk.open(
            dialect.route,
            request.state.request_id,
            self._reader.slices(lambda key: request.headers.get(SLICE_HEADER + key)),
        )
        outcome: Outcome = "error"
        try:
            _require_model(model, self._settings.model)
            asked = await self._read(request, dialect)
            exchange.slices = exchange.slices | self._reader.slices(asked.parameters.get)
            predictions = await self._desk.predict(exchange, asked.texts, partial(_gone, request))
            version = self._desk.version
            labelled = Labelled(model, version.digest, version.manifest.labels, predictions)
            body = dialect.encode(asked, labelled)
            outcome = "ok"
        except Problem:
            outcome = "rejected"
            raise
        except NotReady as error:
            outcome = "overloaded"
            raise _not_ready() from error
        except (QueueFull, CallerGone) as error:
            outcome = "overloaded"
            raise self._too_busy() from error
        finally:
            self._desk.close(exchange, outcome)
        return Response(body, media_type="application/json")

    async def _read(self, request: Request, dialect: Dialect) -> TextRequest:
        body = await _read_body(request, self._settings.body_limit_bytes)
        return self._reader.read(body, dialect)

    def _too_busy(self) -> Problem:
        detail = (
            f"{self._settings.queue_limit} requests wait already: send this one again, more slowly."
        )
        return Problem(503, "overloaded", "Overloaded", detail, headers={"Retry-After": "1"})


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


def _not_ready() -> Problem:
    detail = "The model is not served here now; /readyz says why."
    return Problem(503, "not-ready", "Not ready", detail, headers={"Retry-After": "1"})


def _require_model(asked: str, served: str) -> None:
    if asked != served:
        raise Problem(404, "unknown-model", "Unknown model", f"The only model here is {served}.")


def _require_ready(health: Health) -> None:
    if not health.ready:
        raise _not_ready()
