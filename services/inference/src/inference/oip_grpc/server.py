"""The gRPC server: the protocol's six calls, their errors as gRPC statuses, and its limits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from inference.dialects import Dialect
from inference.envelope import SLICE_HEADER, name_request
from inference.oip_grpc.messages import METHODS, SERVICE, make_messages
from inference.oip_grpc.tensors import make_render, pack_raw, read_infer
from inference.predict import Desk
from inference.reception import Call, Reception
from inference.routes import describe_model, describe_server
from inference.schemas import TextRequest
from inference.settings import InferenceSettings
from servicekit.problems import Problem
from servicekit.process import Health

_log = logging.getLogger(__name__)
_STATUSES = {
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_FAULT = "The service failed on this request; its log says why."
_GRACE_SECONDS = 8.0  # as long as open requests over HTTP have


@dataclass(frozen=True)
class GrpcParts:
    """What the calls are answered from."""

    reception: Reception
    desk: Desk
    health: Health
    new_id: Callable[[], str]


class GrpcServer:
    """One server on one port."""

    def __init__(self, parts: GrpcParts, settings: InferenceSettings) -> None:
        self._settings = settings
        self._health = parts.health
        self._calls = _Calls(parts)
        self._server: Any = None
        self._stopping: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Serve; a port that cannot be opened fails the process."""
        host, port = self._settings.host, self._settings.grpc_port
        self._server = self._make_server()
        try:
            self.port = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            self._health.fail(
                f"Port {port} on {host} cannot be opened: free it or change "
                "ISOGLOSS_INFERENCE_GRPC_PORT."
            )
            return
        await self._server.start()
        _log.info("listening for gRPC on port %d", self.port)
        self._stopping = asyncio.create_task(self._stop_when_told())

    async def close(self) -> None:
        """End: calls under way are finished if the process was told to stop, else cut off."""
        if self._stopping is None:
            return
        if not self._health.draining:
            self._stopping.cancel()
            await self._server.stop(0)
        else:
            await self._stopping

    def _make_server(self) -> Any:
        options = [
            ("grpc.max_receive_message_length", self._settings.body_limit_bytes),
            ("grpc.max_metadata_size", self._settings.head_limit_bytes),
            ("grpc.max_concurrent_streams", 128),
            ("grpc.so_reuseport", 0),
        ]
        most = self._settings.connections_limit
        server = grpc.aio.server(options=options, maximum_concurrent_rpcs=most)
        handlers = {name: self._calls.handler(name) for name in METHODS}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
        return server

    async def _stop_when_told(self) -> None:
        await self._health.wait_for_stop(self._settings.shutdown_delay_seconds)
        await self._server.stop(_GRACE_SECONDS)


class _Calls:
    """The calls by name, each from a request's message to a response's."""

    def __init__(self, parts: GrpcParts) -> None:
        self._parts = parts
        self._messages = make_messages()
        self._dialect = Dialect("grpc", read_infer, make_render(self._messages))
        self._answers: dict[str, Callable[[Any, Any], Awaitable[Any] | dict[str, Any]]] = {
            "ServerLive": lambda _request, _context: {"live": True},
            "ServerReady": lambda _request, _context: {"ready": parts.health.ready},
            "ServerMetadata": lambda _request, _context: describe_server(),
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }

    def handler(self, name: str) -> Any:
        """Return what gRPC calls for one call of the protocol."""
        asked, answered = self._messages[f"{name}Request"], self._messages[f"{name}Response"]

        async def answer(request: Any, context: Any) -> Any:
            try:
                found = self._answers[name](request, context)
                return answered(**found) if isinstance(found, dict) else await found
            except Problem as problem:
                code = _STATUSES.get(problem.status, grpc.StatusCode.INVALID_ARGUMENT)
                said = problem.detail
            except Exception:  # noqa: BLE001 - the call's edge: gRPC would tell the caller its words
                _log.exception("a fault in %s", name)
                code, said = grpc.StatusCode.INTERNAL, _FAULT
            return await context.abort(code, said)

        return grpc.unary_unary_rpc_method_handler(
            answer, asked.FromString, answered.SerializeToString
        )

    def _model_ready(self, request: Any, _context: Any) -> dict[str, Any]:
        self._parts.reception.require(request.name, request.version or None)
        return {"ready": self._parts.health.ready}

    def _model_metadata(self, request: Any, _context: Any) -> dict[str, Any]:
        self._parts.reception.require(request.name, request.version or None)
        return describe_model(self._parts.desk, request.name)

    async def _infer(self, request: Any, context: Any) -> Any:
        given = dict(context.invocation_metadata() or ())
        plain = {n.encode(): v.encode() for n, v in given.items() if isinstance(v, str)}
        names = name_request(plain, self._parts.new_id)
        context.set_trailing_metadata(
            [(name.decode(), each.decode()) for name, each in names.headers()]
        )
        reader = self._parts.reception.reader

        async def read() -> TextRequest:
            return reader.read(request, self._dialect)

        call = Call(
            route="grpc",
            request_id=names.request_id.decode(),
            slice_named=lambda key: given.get(SLICE_HEADER + key),
            read=read,
            render=self._dialect.render,
            gone=_never,  # a caller that goes cancels the call
        )
        version = request.model_version or None
        answered = await self._parts.reception.answer(call, request.model_name, version)
        return pack_raw(answered) if request.raw_input_contents else answered


async def _never() -> None:
    await asyncio.get_running_loop().create_future()
