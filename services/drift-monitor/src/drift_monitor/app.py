"""Puts the parts together. No decisions."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI

from drift_monitor.accepted import AcceptedReferences
from drift_monitor.adapters.databases import open_postgresql, open_sqlite
from drift_monitor.adapters.journal import FileJournal, journal_name
from drift_monitor.adapters.registry import HttpReferences, KeptReferences
from drift_monitor.adapters.store import SqlStore
from drift_monitor.background import Background, Counting, Testing
from drift_monitor.count import Rules
from drift_monitor.intake import RECENT_BATCHES, Intake
from drift_monitor.judge import Judging
from drift_monitor.logger_routes import MAX_BYTES as LOGGED_BYTES
from drift_monitor.logger_routes import Logger, flushing, logger_router
from drift_monitor.metrics import Metrics
from drift_monitor.pace import Pace
from drift_monitor.ports import References
from drift_monitor.quality_routes import router as quality_router
from drift_monitor.quiet import USUAL_EFFORT, Effort
from drift_monitor.reference_routes import MAX_BYTES as REFERENCE_BYTES
from drift_monitor.reference_routes import router as reference_router
from drift_monitor.routes import router
from drift_monitor.settings import DriftMonitorSettings
from drift_monitor.shelf import Shelf
from drift_monitor.standards import Standards
from drift_monitor.traffic_routes import router as traffic_router
from drift_monitor.watch_quality import Promise, known
from drift_monitor.windows import Times
from drift_monitor.wiring import Parts
from servicekit.body_limit import BodyLimit
from servicekit.callers import WatchedFile, read_token
from servicekit.callers_settings import connect, open_callers
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages
from servicekit.signing import load_signer

if TYPE_CHECKING:
    from servicekit.kubernetes_api import KubernetesApi

_DAY_SECONDS = 86_400.0
# Numbered: tables of a release before it had other columns, and what they held was of hours.
_DATABASE = "drift-monitor-2.db"
# Quality is told of a day, as hourly Windows go: less scatters by points.
_QUALITY_WINDOWS = 24
# A thousand labels with ids of 200 characters; event batches have a limit of their own below it.
_BODY_BYTES = 512 * 1024
_REPORT_BYTES = 16 * 1024 * 1024


def create_app(
    settings: DriftMonitorSettings,
    health: Health,
    clock: Callable[[], float] = time.time,
    references: References | None = None,
    effort: Effort = USUAL_EFFORT,
) -> FastAPI:
    """Build the app from its settings.

    `references` None: from the registry-proxy that the settings name, kept in the data directory.
    Raises FileRefused, ClusterUnknown or StoreUnavailable with a sentence.
    """
    built = _build(settings, clock, references, effort)
    app = FastAPI(
        lifespan=_lifespan(built, health),
        title="isogloss drift-monitor",
        docs_url=None,
        redoc_url=None,
    )
    app.state.parts = built.parts
    install_problem_pages(app)
    install_pages(app, health, built.parts.metrics.registry)
    app.include_router(router)
    app.include_router(quality_router)
    app.include_router(logger_router(built.logger))
    app.include_router(traffic_router)
    app.include_router(reference_router)
    app.add_middleware(BodyLimit, limit_of=_body_limit)
    return app


@dataclass(frozen=True)
class _Built:
    """What runs, and what is closed after it."""

    parts: Parts
    background: Background
    logger: Logger | None
    journal: FileJournal
    store: SqlStore
    api: "KubernetesApi | None"


def _build(
    settings: DriftMonitorSettings,
    clock: Callable[[], float],
    references: References | None,
    effort: Effort,
) -> _Built:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = load_signer(settings.signing_key_file)
    api = connect("isogloss-drift-monitor") if settings.callers == "kubernetes" else None
    callers = open_callers(settings, api)
    store = _open_store(settings)
    journal, intake = _open_queue(settings, store)
    shelf = Shelf(references or _references(settings), clock)
    metrics, pace = Metrics(), Pace()
    times, promise = _times(settings), _promise(settings)
    rules = Rules(settings.window_seconds, settings.pair_limit, settings.labelling_seconds, pace)
    counting = Counting(intake, journal, store, shelf, rules)
    judging = Judging(
        shelf,
        Standards(store, effort),
        settings.finding_budget,
        settings.window_seconds,
        known(promise),
        pace,
        AcceptedReferences(store),
    )
    testing = Testing(intake, store, times, judging=judging, promise=promise, clock=clock)
    background = Background(counting, testing, intake, drains=settings.database_url is not None)
    parts = Parts(intake, store, shelf, callers, signer, metrics, clock, times, promise)
    logger = _open_logger(settings, intake, metrics, clock)
    return _Built(parts, background, logger, journal, store, api)


def _lifespan(
    built: _Built, health: Health
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(built.background.run(built.parts.metrics, health))
        async with flushing(built.logger):
            yield
        built.background.stop()
        await running
        built.journal.close()
        built.store.close()
        if built.api:
            await built.api.close()

    return lifespan


def _times(settings: DriftMonitorSettings) -> Times:
    kept = settings.retention_days * _DAY_SECONDS
    return Times(settings.window_seconds, settings.pair_lag_seconds, kept)


def _promise(settings: DriftMonitorSettings) -> Promise:
    told = _QUALITY_WINDOWS * settings.window_seconds
    return Promise(settings.accuracy_loss, settings.labelling_seconds, told)


def _open_logger(
    settings: DriftMonitorSettings, intake: Intake, metrics: Metrics, clock: Callable[[], float]
) -> Logger | None:
    if settings.logger_key_file is None:
        return None
    return Logger(read_token(settings.logger_key_file), intake, metrics, clock)


def _body_limit(scope: Mapping[str, Any]) -> int:
    if scope["path"].startswith("/v1/logger/"):
        return LOGGED_BYTES
    if scope["path"].endswith("/accepted"):
        return REFERENCE_BYTES
    return _REPORT_BYTES if "/reports/" in scope["path"] else _BODY_BYTES


def _open_store(settings: DriftMonitorSettings) -> SqlStore:
    name = journal_name(settings.data_dir)
    if settings.database_url is None:
        return open_sqlite(settings.data_dir / _DATABASE, name)
    password = settings.database_password
    address = settings.database_url.get_secret_value()
    return open_postgresql(address, password.get_secret_value() if password else None, name)


def _open_queue(settings: DriftMonitorSettings, store: SqlStore) -> tuple[FileJournal, Intake]:
    """Queue what the journal holds beyond the tables."""
    with store.read() as transaction:
        applied = transaction.progress.applied()
        recent = transaction.progress.recent_batches(RECENT_BATCHES)
    journal = FileJournal(settings.data_dir / "journal", applied)
    intake = Intake(journal, settings.queue_limit, recent)
    intake.recover(journal.read_after(applied))
    return journal, intake


def _references(settings: DriftMonitorSettings) -> References:
    token = WatchedFile(settings.token_file, read_token)
    client = httpx.Client(base_url=settings.registry_url, trust_env=False)
    return KeptReferences(HttpReferences(client, token.current), settings.data_dir / "references")
