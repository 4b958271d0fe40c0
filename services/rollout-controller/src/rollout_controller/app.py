"""Puts the parts together. No decisions; what a platform consists of is in adapters."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from rollout_controller.adapters.clock import SystemClock
from rollout_controller.adapters.drift_http import DriftHttp
from rollout_controller.adapters.http_json import HttpJson
from rollout_controller.adapters.journal_file import JournalFile
from rollout_controller.adapters.local_platform import open_local
from rollout_controller.adapters.platform import Platform
from rollout_controller.adapters.registry_http import RegistryHttp
from rollout_controller.follow import Loops
from rollout_controller.metrics import Meters
from rollout_controller.observed import Patience
from rollout_controller.ports import Ports
from rollout_controller.routes import (
    alert_routes,
    install_rollout_errors,
    mirror_probe_routes,
    rollout_routes,
)
from rollout_controller.settings import RolloutControllerSettings
from servicekit.callers import WatchedFile, read_token
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages
from servicekit.signing import load_signer

_LEAVING_SECONDS = 1.0
"""A gateway's workers take a route over a little after it says so: some 50 ms, on a busy machine a
few times that; and what they sent last is still to be answered.
"""


@dataclass(frozen=True)
class Service:
    """The app, and its health for the process that runs it."""

    app: FastAPI
    health: Health


@dataclass(frozen=True)
class _Parts:
    """What runs while the app does, and what is closed after it."""

    platform: Platform
    neighbours: tuple[HttpJson, HttpJson]
    ports: Ports
    loops: Loops


def build(settings: RolloutControllerSettings) -> Service:
    """Join everything.

    Raises FileRefused, ClusterUnknown, GatewayUnreachable (its files cannot be used) and OSError,
    each with a sentence.
    """
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    health = Health()
    health.mark("models", "not every model was looked at yet")
    parts = _open(settings)
    app = FastAPI(
        title="isogloss rollout-controller", lifespan=_lifespan(parts, health), docs_url=None
    )
    app.include_router(rollout_routes(parts.loops, parts.ports, parts.platform.callers))
    app.include_router(alert_routes(parts.loops, parts.ports, parts.platform.callers))
    if parts.platform.mirror_arrivals:
        app.include_router(mirror_probe_routes(parts.platform.mirror_arrivals))
    install_problem_pages(app)
    install_rollout_errors(app)
    install_pages(app, health, parts.ports.meters.registry)
    return Service(app, health)


def _open(settings: RolloutControllerSettings) -> _Parts:
    token, limit = WatchedFile(settings.token_file, read_token), settings.request_timeout_seconds
    registry = HttpJson(settings.registry_url, token.current, limit)
    drift = HttpJson(settings.drift_monitor_url, token.current, limit)
    platform, meters = _open_platform(settings), Meters()
    meters.leading.set_function(lambda: float(platform.leadership.leads))
    ports = Ports(
        ledger=RegistryHttp(registry),
        pairs=DriftHttp(drift),
        gateway=platform.gateway,
        workloads=platform.workloads,
        metrics=platform.metrics,
        journal=JournalFile(settings.state_dir),
        leadership=platform.leadership,
        clock=SystemClock(),
        sign=load_signer(settings.signing_key_file).sign,
        meters=meters,
    )
    loops = Loops(ports, platform.served_models, _patience(settings), settings.interval_seconds)
    return _Parts(platform, (registry, drift), ports, loops)


def _open_platform(settings: RolloutControllerSettings) -> Platform:
    if settings.platform == "local":
        return open_local(settings)
    # Its client library costs 40 MB and half a second, which a laptop need not pay.
    from rollout_controller.adapters.kubernetes_platform import open_kubernetes  # noqa: PLC0415

    return open_kubernetes(settings)


def _lifespan(
    parts: _Parts, health: Health
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        beside = asyncio.create_task(parts.platform.beside())
        looking = asyncio.create_task(parts.loops.run(lambda: health.mark("models", None)))
        for task in (beside, looking):
            task.add_done_callback(lambda ended: _fail(health, ended))
        yield
        for task in (looking, beside):  # the lead is given back when nothing acts any more
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await parts.platform.close()
        for neighbour in parts.neighbours:
            await neighbour.close()

    return lifespan


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
        leaving=_LEAVING_SECONDS,
    )
