"""Puts the parts together. No decisions."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from rollout_controller.adapters.clock import SystemClock
from rollout_controller.adapters.drift_http import DriftHttp
from rollout_controller.adapters.envoy import EnvoyGateway, EnvoyPlace
from rollout_controller.adapters.free_ports import FreePorts
from rollout_controller.adapters.http_json import HttpJson
from rollout_controller.adapters.journal_file import JournalFile
from rollout_controller.adapters.local_processes import LocalProcesses, PredictorEnvironment
from rollout_controller.adapters.predictor_metrics import PredictorMetrics
from rollout_controller.adapters.predictor_slot import Surroundings
from rollout_controller.adapters.registry_http import RegistryHttp
from rollout_controller.adapters.served_model_files import ServedModelFiles
from rollout_controller.metrics import Meters
from rollout_controller.observed import Patience
from rollout_controller.ports import Ports
from rollout_controller.reconcile import Loops
from rollout_controller.routes import install_rollout_errors, rollout_routes
from rollout_controller.settings import RolloutControllerSettings
from servicekit.callers import TokenFile, read_token
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages
from servicekit.signing import load_signer

_PREDICTOR_HOST = "127.0.0.1"
_PREDICTOR_COMMAND = (sys.executable, "-m", "inference")
_PROBE_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Service:
    """The app, and its health for the process that runs it."""

    app: FastAPI
    health: Health


@dataclass(frozen=True)
class _Outside:
    registry: HttpJson
    drift: HttpJson
    gateway: EnvoyGateway
    processes: LocalProcesses
    metrics: PredictorMetrics
    probe: httpx.AsyncClient

    async def close(self) -> None:
        for each in (self.registry, self.drift, self.gateway, self.metrics):
            await each.close()
        await self.probe.aclose()


def build(
    settings: RolloutControllerSettings, command: tuple[str, ...] = _PREDICTOR_COMMAND
) -> Service:
    """Join everything; `command` starts a predictor.

    Raises FileRefused, GatewayUnreachable (its files cannot be used) and OSError, each with a
    sentence.
    """
    for directory in (settings.state_dir, settings.run_dir, settings.log_dir, settings.envoy_dir):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    tokens, health, meters = TokenFile(settings.callers_file), Health(), Meters()
    health.mark("models", "not every model was looked at yet")
    outside = _outside(settings, command)
    ports = Ports(
        ledger=RegistryHttp(outside.registry),
        pairs=DriftHttp(outside.drift),
        gateway=outside.gateway,
        workloads=outside.processes,
        metrics=outside.metrics,
        journal=JournalFile(settings.state_dir),
        clock=SystemClock(),
        sign=load_signer(settings.signing_key_file).sign,
        meters=meters,
    )
    source = ServedModelFiles(settings.served_models_dir)
    loops = Loops(ports, source, _patience(settings), settings.interval_seconds)
    outside.gateway.prepare()
    outside.processes.adopt()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(outside.processes.run()),
            asyncio.create_task(loops.run(lambda: health.mark("models", None))),
        ]
        for task in tasks:
            task.add_done_callback(lambda ended: _fail(health, ended))
        yield
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        await outside.close()

    app = FastAPI(title="isogloss rollout-controller", lifespan=lifespan, docs_url=None)
    app.include_router(rollout_routes(loops, ports, tokens))
    install_problem_pages(app)
    install_rollout_errors(app)
    install_pages(app, health, meters.registry)
    return Service(app, health)


def _fail(health: Health, ended: "asyncio.Task[None]") -> None:
    """A loop never ends by itself: if one does, only a new process can help."""
    if not ended.cancelled():
        health.fail(f"The rollout controller stopped looking: {ended.exception()!r}.")


def _patience(settings: RolloutControllerSettings) -> Patience:
    return Patience(
        load=settings.load_limit_seconds,
        unready=settings.unready_limit_seconds,
        evidence=settings.evidence_seconds,
        pairing=settings.pairing_delay_seconds,
        # The gateway gives a copy up after its time limit; a predictor may be a little later.
        drain=settings.gateway_timeout_seconds * 1.5,
    )


def _outside(settings: RolloutControllerSettings, command: tuple[str, ...]) -> _Outside:
    token, limit = read_token(settings.token_file), settings.request_timeout_seconds
    probe = httpx.AsyncClient(timeout=_PROBE_TIMEOUT_SECONDS)
    place = EnvoyPlace(
        host=settings.gateway_host,
        port=settings.gateway_port,
        admin_port=settings.gateway_admin_port,
        directory=settings.envoy_dir,
        timeout_seconds=settings.gateway_timeout_seconds,
    )
    around = Surroundings(
        command=command,
        host=_PREDICTOR_HOST,
        state_dir=settings.state_dir,
        run_dir=settings.run_dir,
        log_dir=settings.log_dir,
        grace_seconds=settings.stop_grace_seconds,
        ports=FreePorts(_PREDICTOR_HOST, settings.predictor_port_from),
        clock=SystemClock(),
        probe=probe,
    )
    environment = PredictorEnvironment(
        registry_url=settings.registry_url,
        token_file=settings.predictor_token_file.absolute(),
        cache_dir=settings.artifact_cache_dir.absolute(),
        drift_monitor_url=settings.drift_monitor_url,
        fingerprint_key_file=settings.fingerprint_key_file.absolute(),
        log_level=settings.log_level,
    )
    return _Outside(
        registry=HttpJson(settings.registry_url, token, limit),
        drift=HttpJson(settings.drift_monitor_url, token, limit),
        gateway=EnvoyGateway(place),
        processes=LocalProcesses(around, environment),
        metrics=PredictorMetrics(),
        probe=probe,
    )
