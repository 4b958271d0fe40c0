"""How a service's process runs: its health pages, its listeners, and how it stops.

On SIGTERM or SIGINT readiness falls at once, requests are served for the shutdown delay (so that
routers notice first), then listeners close, open requests end, and the process exits within its
grace. A second signal skips the delay. What the service itself does is not here.
"""

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Literal, NamedTuple

import structlog
import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from servicekit.problems import Problem, problem_answers

_log = structlog.get_logger(__name__)
# The proxy in front must be the one that closes an idle connection, else it sends a request into a
# closing one. Envoy's default is an hour.
_KEEP_ALIVE_SECONDS = 3700
_BACKLOG = 2048
_SHARE_OF_GRACE_FOR_REQUESTS = 0.8  # the rest is for the app's own shutdown


class Listener(NamedTuple):
    """One app on one port; `setting` is what the sentence about a port in use names.

    `http` is the protocol of its connections: uvicorn's own on httptools, or a subclass of it.
    `opened` is the port where `open_port` has opened it already.
    """

    app: ASGIApp
    host: str
    port: int
    setting: str = "the setting of the port"
    http: type[asyncio.Protocol] | Literal["httptools"] = "httptools"
    opened: socket.socket | None = None


class Health:
    """Whether this process can serve: ready while no reason stands and it is not draining."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.failure: str | None = None
        self._told = asyncio.Event()
        self._hurried = asyncio.Event()

    @property
    def ready(self) -> bool:
        """True while no reason stands."""
        return not self.reasons

    def mark(self, name: str, reason: str | None) -> None:
        """Set the reason why `name` is not ready; None says it is."""
        if reason is None:
            self.reasons.pop(name, None)
        else:
            self.reasons[name] = reason

    @property
    def draining(self) -> bool:
        """True from the first signal on."""
        return self._told.is_set()

    def drain(self) -> None:
        """Begin to stop; called again, skip the delay."""
        (self._hurried if self.draining else self._told).set()
        self.mark("process", "draining")

    def fail(self, sentence: str) -> None:
        """Stop the process with status 1 and a sentence: it can never become ready."""
        self.failure = sentence
        self.drain()
        self._hurried.set()

    async def wait_for_stop(self, delay_seconds: float) -> None:
        """Return when draining began `delay_seconds` ago, or at once when hurried."""
        await self._told.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurried.wait(), delay_seconds)


def install_pages(app: FastAPI, health: Health, registry: CollectorRegistry | None) -> None:
    """Add /livez, /readyz and, with a registry, /metrics."""

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", responses=problem_answers(503))
    async def readyz() -> dict[str, str]:
        if not health.ready:
            detail = "; ".join(f"{name}: {reason}" for name, reason in health.reasons.items())
            raise Problem(503, "not-ready", "Not ready", detail, {"reasons": health.reasons})
        return {"status": "ready"}

    if registry is not None:

        @app.get("/metrics", response_class=PlainTextResponse)
        async def metrics() -> Response:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def run_app(
    app: ASGIApp, host: str, port: int, health: Health, shutdown_delay_seconds: float = 0.0
) -> None:
    """Serve one app until a signal; see `run_apps`."""
    run_apps([Listener(app, host, port)], health, shutdown_delay_seconds)


def run_apps(
    listeners: Sequence[Listener | tuple[ASGIApp, str, int]],
    health: Health,
    shutdown_delay_seconds: float = 0.0,
    grace_seconds: float = 10.0,
) -> None:
    """Serve every app on its port, on uvloop, until a signal or until `health` fails.

    Args:
        listeners: (app, host, port) or (app, host, port, setting's name); port 0 takes a free one,
            which the log names.
        health: falls to not ready at the first signal.
        shutdown_delay_seconds: how long requests are served after the first signal.
        grace_seconds: how long open requests and the apps' own shutdown may then take.

    Exits with status 2 when a port cannot be opened, with 1 when `health` failed or time ran out.
    """
    entries = [Listener(*each) for each in listeners]
    sockets = [each.opened or open_port(each.host, each.port, each.setting) for each in entries]
    for_requests = max(1, int(grace_seconds * _SHARE_OF_GRACE_FOR_REQUESTS))
    configs = [_config(each, health, for_requests) for each in entries]
    servers = list(zip([_Server(config) for config in configs], sockets, strict=True))
    with asyncio.Runner(loop_factory=configs[0].get_loop_factory()) as runner:
        late = runner.run(_serve(servers, health, shutdown_delay_seconds, grace_seconds))
    if health.failure or late:
        sys.exit(health.failure or f"Not stopped within the grace of {grace_seconds} seconds.")


def open_port(host: str, port: int, setting: str, *, shared: bool = False) -> socket.socket:
    """Open a port; `shared`: others of this user may, too, and connections are dealt out to all.

    Exits with status 2 when it cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        opened.bind((host, port))
        opened.listen(_BACKLOG)  # at once: two sockets can be bound to a port, one can listen
    except OSError as error:
        opened.close()
        why = "in use" if error.errno == errno.EADDRINUSE else f"refused ({error.strerror})"
        sys.stderr.write(f"Port {port} on {host} is {why}: free it or change {setting}.\n")
        sys.exit(2)
    return opened


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `_serve`, which knows all listeners."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _CloseWhileDraining:
    """Ends each connection with its answer while draining, so that clients go elsewhere."""

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app = app
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_closing(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        closing = self._health.draining and scope["type"] == "http"
        await self._app(scope, receive, send_closing if closing else send)


def _config(listener: Listener, health: Health, requests_seconds: int) -> uvicorn.Config:
    return uvicorn.Config(
        _CloseWhileDraining(listener.app, health),
        loop="uvloop",
        http=listener.http,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=requests_seconds,
    )


async def _serve(
    servers: list[tuple[_Server, socket.socket]], health: Health, delay: float, grace: float
) -> bool:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, health.drain)
    serving = [asyncio.create_task(server.serve([opened])) for server, opened in servers]
    for _, opened in servers:
        _log.info("listening", address=opened.getsockname()[:2])
    stopping = asyncio.create_task(health.wait_for_stop(delay))
    await asyncio.wait([stopping, *serving], return_when=asyncio.FIRST_COMPLETED)
    for server, _ in servers:
        server.should_exit = True
    ended, late = await asyncio.wait(serving, timeout=grace)
    for task in [stopping, *late]:
        task.cancel()
    for task in ended:
        task.result()
    return bool(late)
