"""Puts the parts together. No decisions."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from drift_monitor.adapters.journal import FileJournal
from drift_monitor.adapters.registry import HttpReferences, KeptReferences
from drift_monitor.adapters.store import SqlStore
from drift_monitor.background import Background, Counting, Testing
from drift_monitor.count import Rules
from drift_monitor.intake import RECENT_BATCHES, Intake
from drift_monitor.metrics import Metrics
from drift_monitor.ports import References
from drift_monitor.routes import Parts, router
from drift_monitor.settings import DriftMonitorSettings
from drift_monitor.shelf import Shelf
from drift_monitor.windows import Times
from servicekit.callers import WatchedFile, read_token
from servicekit.callers_settings import connect, open_callers
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages
from servicekit.signing import load_signer
from stats.cusum import THRESHOLD

_DAY_SECONDS = 86_400.0


def create_app(
    settings: DriftMonitorSettings,
    health: Health,
    clock: Callable[[], float] = time.time,
    references: References | None = None,
) -> FastAPI:
    """Build the app from its settings.

    `references` None: from the registry-proxy that the settings name, kept in the data directory.
    Raises FileRefused, ClusterUnknown or StoreUnavailable with a sentence.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = load_signer(settings.signing_key_file)
    api = connect("isogloss-drift-monitor") if settings.callers == "kubernetes" else None
    callers = open_callers(settings, api)
    store = SqlStore(settings.data_dir / "drift-monitor.db")
    journal, intake = _open_queue(settings, store)
    shelf = Shelf(references or _references(settings), clock)
    metrics = Metrics(THRESHOLD)
    times = Times(
        settings.window_seconds,
        settings.pair_lag_seconds,
        settings.retention_days * _DAY_SECONDS,
    )
    rules = Rules(settings.window_seconds, settings.pair_limit)
    counting = Counting(intake, journal, store, shelf, rules)
    background = Background(counting, Testing(intake, store, shelf, times, clock), intake)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(background.run(metrics, health))
        yield
        background.stop()
        await running
        journal.close()
        store.close()
        if api:
            await api.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.state.parts = Parts(intake, store, callers, signer, metrics, clock, times)
    install_problem_pages(app)
    install_pages(app, health, metrics.registry)
    app.include_router(router)
    return app


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
