"""Composition: which adapters serve which ports, and in which order they start and stop.

Nothing is decided here. The version loads while the ports already answer, so that /livez is true
and /readyz tells what is being waited for.
"""

import asyncio
import contextlib
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.adapters.artifact_directory import ArtifactDirectory
from inference.adapters.drift_monitor import DriftMonitor
from inference.adapters.ids import Ids
from inference.connections import ConnectionLimits, bounded
from inference.envelope import App, Envelope
from inference.event_queues import EventQueues
from inference.events import Subject
from inference.lane import Lane
from inference.lane_protocol import lane_protocol
from inference.load import LoadedVersion, load_when_available
from inference.metrics import Metrics
from inference.oip_grpc import GrpcMissing
from inference.ports import ArtifactRefused, ArtifactSource, Clock
from inference.predict import Desk, Serving
from inference.reception import Reception
from inference.report import Reporter
from inference.routes import (
    install_model_pages,
    install_prediction_routes,
    install_server_pages,
)
from inference.score import ScoringQueue
from inference.settings import InferenceSettings
from inference.workers import Place
from servicekit.callers import read_owner_only, read_token
from servicekit.problems import install_problem_pages
from servicekit.process import Health, Listener, install_pages, run_apps
from textmodels.predictions import is_inline

if TYPE_CHECKING:
    from inference.oip_grpc.server import GrpcServer

_log = logging.getLogger(__name__)
PORT, METRICS_PORT = "ISOGLOSS_INFERENCE_PORT", "ISOGLOSS_INFERENCE_METRICS_PORT"
_CLOCK = Clock(wall=time.time, steady=time.perf_counter)
_new_id = Ids().new
# Objects made beyond those let go of: rows wait for their batch, which is no reason to look at all.
_GARBAGE_THRESHOLD = 50_000
# A thread that scores gives the event loop its turn back within this time.
_SWITCH_SECONDS = 0.001
PAGES_CONNECTIONS = 64  # scrapers and probes, of which there are a few
_FLUSH_SECONDS_AT_THE_END = 1.5  # the process's grace leaves 2 when requests took all they may

_T = TypeVar("_T")


@dataclass(frozen=True)
class Inference:
    """The parts of one process that something else can talk to."""

    predictions: FastAPI
    """The app behind `public`; its lifespan loads the version."""
    public: App
    lane: Lane
    pages: FastAPI
    health: Health
    life: "Life"


def run(settings: InferenceSettings) -> None:
    """Serve until a signal; raises ArtifactRefused or FileRefused before any port is open."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    inference = compose(settings)
    host = settings.host
    limits = connection_limits(settings)
    lane = bounded(lane_protocol(inference.lane), limits)
    few = bounded(HttpToolsProtocol, replace(limits, connections=PAGES_CONNECTIONS))
    listeners = [
        Listener(inference.public, host, settings.port, PORT, lane),
        Listener(inference.pages, host, settings.metrics_port, METRICS_PORT, few),
    ]
    run_apps(listeners, inference.health, settings.shutdown_delay_seconds)


def compose(settings: InferenceSettings, place: Place | None = None) -> Inference:
    """Build the parts, for a worker in its place; raises ArtifactRefused or FileRefused."""
    life = Life(settings, place)
    predictions = FastAPI(openapi_url=None, lifespan=life.lead)
    pages = FastAPI(openapi_url=None)
    for app in (predictions, pages):
        install_problem_pages(app)
    install_prediction_routes(predictions, life.reception, settings)
    install_server_pages(predictions, life.health)
    install_model_pages(predictions, life.desk, life.reception, life.health)
    install_pages(predictions, life.health, None)
    install_pages(pages, life.health, life.metrics.registry)
    public = Envelope(predictions, life.source.digest, _new_id)
    lane = Lane(life.desk, settings, life.health, _new_id)
    return Inference(predictions, public, lane, pages, life.health, life)


class Life:
    """What starts and stops with the predictions app."""

    def __init__(self, settings: InferenceSettings, place: Place | None) -> None:
        self.settings = settings
        self._place = place
        self.source = artifact_source(settings)
        self.health = Health()
        self.health.mark("model", "loading")
        self.metrics = Metrics(settings.slo_milliseconds, place.cells if place else None)
        self.metrics.in_flight.clear()  # what a worker that died had begun
        self.serving = Serving()
        self.desk = Desk(self.serving, self.metrics, _CLOCK)
        self.reception = Reception(self.desk, self.metrics, settings)
        self.grpc = self._grpc_server()
        self._sink = _event_sink(settings)
        self._fingerprint_key = _fingerprint_key(settings)
        self._reporter: Reporter | None = None

    @contextlib.asynccontextmanager
    async def lead(self, _app: FastAPI) -> AsyncIterator[None]:
        """Load while serving; at the end score what waits and send what is to be reported."""
        loading = asyncio.create_task(self._become_ready())
        if self.grpc is not None:
            await self.grpc.start()
        if self._place is not None:
            watch_lifeline(self._place.lifeline, self.health)
        yield
        loading.cancel()
        if self.grpc is not None:
            await self.grpc.close()
        self.reception.close()
        if self.serving.queue is not None:
            await self.serving.queue.close()
        if self._reporter is not None:
            await self._reporter.close(_FLUSH_SECONDS_AT_THE_END)
        if self._sink is not None:
            await self._sink.close()

    async def _become_ready(self) -> None:
        try:
            await self._serve_version()
        except ArtifactRefused as refused:
            self.health.fail(f"The version is not served: {refused}.")
        except Exception:  # noqa: BLE001 - the task's edge: else the process would wait for ever
            _log.exception("loading failed")
            self.health.fail("The version is not served: loading failed, the log says how.")

    async def _serve_version(self) -> None:
        version = await self._version()
        manifest, model = version.manifest, self.settings.model
        self._reporter = self._start_reporter(manifest.digest, manifest.labels)
        self.serving.reporter = self._reporter
        self.serving.queue = ScoringQueue(
            version.predictor,
            self.settings.queue_limit,
            _CLOCK.steady,
            self.metrics.queue_seconds.observe,
            self.metrics.observe_pass,
            self.settings.slo_milliseconds / 2000,
        )
        self.serving.version = version
        if is_inline(version.predictor):
            self.serving.inline = version.predictor
        self.metrics.observe_version(model, manifest.digest, manifest.family)
        if self._place is None:
            settle_memory()  # a worker's parent has done it, before it was forked
        self.health.mark("model", None)
        if self._place is not None:
            self._place.mark_ready()
        _log.info("serving %s@%s (%s)", model, manifest.digest, manifest.family)

    def _grpc_server(self) -> "GrpcServer | None":
        if self.settings.grpc_port is None:
            return None
        try:
            from inference.oip_grpc.server import GrpcParts, GrpcServer  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as missing:
            raise GrpcMissing(
                f"ISOGLOSS_INFERENCE_GRPC_PORT is set, but {missing.name} is not installed here: "
                "install isogloss-inference[grpc], or do not set it."
            ) from missing
        parts = GrpcParts(self.reception, self.desk, self.health, _new_id)
        return GrpcServer(parts, self.settings)

    async def _version(self) -> LoadedVersion:
        if self._place is not None and self._place.version is not None:
            return self._place.version
        return await load_when_available(
            self.source, lambda reason: self.health.mark("model", reason)
        )

    def _start_reporter(self, digest: str, labels: tuple[str, ...]) -> Reporter | None:
        if self._sink is None:
            return None
        subject = Subject(self.settings.model, digest, labels, self._fingerprint_key)
        limit = self.settings.event_queue_limit
        return Reporter(self._sink, EventQueues(subject, limit, _CLOCK.wall, _new_id), self.metrics)


def watch_lifeline(descriptor: int, health: Health) -> None:
    """Stop this process when its parent has ended: nothing would be left to stop it."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(descriptor)
        health.drain()
        health.drain()

    loop.add_reader(descriptor, stop)


def connection_limits(settings: InferenceSettings) -> ConnectionLimits:
    """Return what a listener bears."""
    return ConnectionLimits(
        settings.connections_limit,
        settings.head_limit_bytes,
        settings.body_limit_bytes,
        settings.arrival_seconds,
    )


def artifact_source(settings: InferenceSettings) -> ArtifactSource:
    """Return where the artifact comes from."""
    if settings.digest is None:
        return ArtifactDirectory(Path(settings.artifact))
    # Its HTTP client takes a quarter of a second to import, of a start that should take one.
    from inference.adapters.registry_proxy import RegistryProxy  # noqa: PLC0415

    return RegistryProxy(
        _given(settings.registry_url),
        _checked_token_file(settings),
        settings.digest,
        _given(settings.cache_dir),
    )


def _event_sink(settings: InferenceSettings) -> DriftMonitor | None:
    if settings.drift_monitor_url is None:
        return None
    return DriftMonitor(settings.drift_monitor_url, _checked_token_file(settings))


def _fingerprint_key(settings: InferenceSettings) -> bytes:
    if settings.drift_monitor_url is None:
        return b""
    return read_owner_only(_given(settings.fingerprint_key_file)).strip().encode()


def _checked_token_file(settings: InferenceSettings) -> Path:
    path = _given(settings.token_file)
    read_token(path)
    return path


def _given(setting: _T | None) -> _T:
    if setting is None:
        raise ValueError("a setting is missing that InferenceSettings should have required")
    return setting


def settle_memory() -> None:
    """Let the garbage collector leave alone what is there now: all of it stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
