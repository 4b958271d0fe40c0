"""Joins the ledger's side, the artifacts' side and the adapters. Decides nothing."""

import asyncio
import fcntl
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fastapi import FastAPI

from lifecycle.ledger import LedgerEntry
from registry_proxy.adapters.artifact_stores import EngineMissing, open_store
from registry_proxy.adapters.ledger_database import LedgerDatabase, open_postgresql, open_sqlite
from registry_proxy.adapters.mlflow import MlflowRuns
from registry_proxy.adapters.open_door import OpenDoor, open_door, open_witness
from registry_proxy.adapters.receivers_file import ReceiversFile
from registry_proxy.adapters.sql_ledger import SqlLedger
from registry_proxy.adapters.sql_outbox import SqlOutbox
from registry_proxy.adapters.trust_file import TrustFile
from registry_proxy.adapters.webhooks import Webhooks
from registry_proxy.adapters.yaml_documents import read_yaml
from registry_proxy.artifacts.collect import Collector
from registry_proxy.artifacts.collection_routes import collection_routes
from registry_proxy.artifacts.ports import Runs
from registry_proxy.artifacts.register import Admission
from registry_proxy.artifacts.routes import artifact_routes, install_artifact_errors
from registry_proxy.door.routes import UPLOADS, door_routes, install_door_errors
from registry_proxy.events.keep_telling import Telling
from registry_proxy.events.tell import Means, Pace, Told
from registry_proxy.lane import install_lane
from registry_proxy.ledger.error_table import install_ledger_errors
from registry_proxy.ledger.keep_admitted import AdmittedKeeper
from registry_proxy.ledger.ports import Clock
from registry_proxy.ledger.record_version import VersionBook
from registry_proxy.ledger.registry import Registry
from registry_proxy.ledger.rollout_routes import rollout_routes
from registry_proxy.ledger.routes import ledger_routes
from registry_proxy.metrics import CollectionMetrics, DoorMetrics, EventMetrics, RegistryMetrics
from registry_proxy.middleware import RequestCount, Scope
from registry_proxy.settings import RegistryProxySettings
from servicekit.body_limit import BodyLimit
from servicekit.callers import Callers, FileRefused
from servicekit.callers_settings import connect, open_callers
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages
from servicekit.signing import Signer, Verifier, load_signer

if TYPE_CHECKING:
    from registry_proxy.adapters.artifact_bucket import ArtifactBucket
    from registry_proxy.adapters.artifact_files import ArtifactFiles
    from servicekit.kubernetes_api import KubernetesApi

_log = logging.getLogger(__name__)


class StartRefused(Exception):
    """The process cannot start as it is set up; the text says what to change."""


@dataclass(frozen=True)
class Service:
    """The app, and its health for the process that runs it."""

    app: FastAPI
    health: Health


@dataclass(frozen=True)
class _Parts:
    lock: TextIO
    metrics: RegistryMetrics
    callers: Callers
    database: LedgerDatabase
    ledger: SqlLedger
    registry: Registry
    admission: Admission
    collector: Collector
    cluster: "KubernetesApi | None"
    keeper: AdmittedKeeper | None
    telling: "_Telling | None"
    door: OpenDoor


@dataclass(frozen=True)
class _Telling:
    tellers: Telling
    post: Webhooks


def build(
    settings: RegistryProxySettings,
    clock: Clock = time.time,
    open_runs: Callable[[str, float], Runs] = MlflowRuns,
) -> Service:
    """Open everything and join it.

    Raises StartRefused, servicekit's FileRefused and ClusterUnknown, LedgerUnavailable,
    StoreUnavailable.
    """
    parts = _open(settings, clock, open_runs)
    health = Health()
    _check_chain(parts, health)
    app = FastAPI(
        title="isogloss registry-proxy",
        lifespan=_lifespan(parts, health),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(ledger_routes(parts.registry, parts.callers))
    app.include_router(rollout_routes(parts.registry, parts.callers))
    app.include_router(artifact_routes(parts.admission, parts.callers))
    observer = CollectionMetrics(parts.metrics.registry)
    app.include_router(collection_routes(parts.collector, parts.callers, observer))
    app.include_router(door_routes(parts.door.door, parts.callers))
    install_problem_pages(app)
    install_door_errors(app, parts.door.door.count_refusal)
    install_ledger_errors(app, parts.ledger)
    install_artifact_errors(app)
    install_pages(app, health, parts.metrics.registry)
    app.add_middleware(BodyLimit, limit_of=_body_limits(settings))
    install_lane(app, parts.callers, parts.ledger, parts.admission.store)
    app.add_middleware(RequestCount, metrics=parts.metrics)
    return Service(app, health)


def _open(
    settings: RegistryProxySettings, clock: Clock, open_runs: Callable[[str, float], Runs]
) -> _Parts:
    lock = _lock(settings.data_dir)
    metrics, observers = RegistryMetrics(), _Observers()
    cluster = _connect(settings)
    callers = open_callers(settings, cluster)
    signer = load_signer(settings.signing_key_file)
    trust = _open_trust(settings.trust_file, signer)
    database = _open_database(settings)
    ledger = SqlLedger(database, clock, observers)
    observers.append(metrics.observe_entries)
    versions = VersionBook(ledger)
    store = _open_artifacts(settings)
    runs = open_runs(settings.mlflow_url, settings.mlflow_timeout_seconds)
    registry = Registry(ledger, trust.current, signer, clock, read_yaml)
    own = Verifier({signer.key_id: signer.public_text})
    limit = settings.artifact_limit_bytes
    admission = Admission(runs, store, store, versions, limit, read_yaml, own)
    collector = Collector(store, store, versions, clock)
    keeper = _open_keeper(settings, cluster, ledger, clock)
    if keeper:
        metrics.admitted_stale.set_function(keeper.stale_seconds)
        observers.append(lambda _entries: keeper.wake())
    telling = _open_telling(settings.events_file, database, EventMetrics(metrics.registry), clock)
    if telling:
        observers.append(lambda _entries: telling.tellers.wake())
    witness = open_witness(settings, signer, clock, cluster)
    door = open_door(settings, ledger, DoorMetrics(metrics.registry), clock, witness)
    observers.append(lambda _entries: door.aliases.wake())
    opened = (registry, admission, collector, cluster, keeper, telling, door)
    return _Parts(lock, metrics, callers, database, ledger, *opened)


def _open_artifacts(settings: RegistryProxySettings) -> "ArtifactFiles | ArtifactBucket":
    try:
        store = open_store(settings)
    except EngineMissing as missing:
        raise StartRefused(str(missing)) from missing
    store.clean()
    return store


def _body_limits(settings: RegistryProxySettings) -> Callable[[Scope], int]:
    def limit_of(scope: Scope) -> int:
        uploads = scope["method"] == "PUT" and UPLOADS in scope["path"]
        return settings.artifact_limit_bytes if uploads else settings.body_limit_bytes

    return limit_of


class _Observers(list[Callable[[Sequence[LedgerEntry]], None]]):
    """Everybody who is told of new entries."""

    def __call__(self, entries: Sequence[LedgerEntry]) -> None:
        for observe in self:
            observe(entries)


def _connect(settings: RegistryProxySettings) -> "KubernetesApi | None":
    if settings.callers != "kubernetes" and settings.admitted_versions is None:
        return None
    return connect("isogloss-registry-proxy")


def _open_database(settings: RegistryProxySettings) -> LedgerDatabase:
    url, password = settings.database_url, settings.database_password
    if url is None:
        return open_sqlite(settings.data_dir / "ledger.db")
    return open_postgresql(
        url.get_secret_value(), password.get_secret_value() if password else None
    )


def _open_keeper(
    settings: RegistryProxySettings,
    cluster: "KubernetesApi | None",
    ledger: SqlLedger,
    clock: Clock,
) -> AdmittedKeeper | None:
    name, namespace = settings.admitted_versions, settings.namespace
    if cluster is None or name is None or namespace is None:
        return None
    # A client library of 40 MB comes with it, which a laptop need not pay.
    from registry_proxy.adapters.admitted_object import AdmittedObject  # noqa: PLC0415

    return AdmittedKeeper(ledger, AdmittedObject(cluster, namespace, name), clock)


def _open_telling(
    path: Path | None, database: LedgerDatabase, metrics: EventMetrics, clock: Clock
) -> _Telling | None:
    if path is None:
        return None
    post = Webhooks()
    told = Told(metrics.count, metrics.observe_oldest)
    means = Means(uuid.uuid4().hex, SqlOutbox(database), post, clock, told, Pace())
    return _Telling(Telling(ReceiversFile(path).current, means), post)


def _lifespan(
    parts: _Parts, health: Health
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        working = [asyncio.create_task(each) for each in _background(parts)]
        for task in working:
            task.add_done_callback(lambda ended: _fail(health, ended))
        yield
        for task in working:
            task.cancel()
        await asyncio.wait(working)
        await parts.door.mlflow.close()
        if parts.telling:
            await parts.telling.post.close()
        if parts.cluster:
            await parts.cluster.close()
        parts.admission.runs.close()
        parts.database.close()
        parts.lock.close()

    return lifespan


def _background(parts: _Parts) -> Iterator[Coroutine[Any, Any, None]]:
    yield parts.door.aliases.run()
    if parts.keeper:
        yield parts.keeper.run()
    if parts.telling:
        yield parts.telling.tellers.run()


def _fail(health: Health, ended: "asyncio.Task[None]") -> None:
    """What works beside the requests never ends by itself: only a new process can help."""
    if not ended.cancelled():
        what = "Admitted versions, aliases or events"
        health.fail(f"{what} are not kept any more: {ended.exception()!r}.")


def _lock(folder: Path) -> TextIO:
    """Hold the data directory: a second process would remove the first one's intakes."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StartRefused(f"{folder} is used by another registry-proxy; stop that one") from error
    except OSError as error:
        raise StartRefused(
            f"ISOGLOSS_REGISTRY_PROXY_DATA_DIR is {folder}: {error.strerror}; "
            "a directory is needed that this process may write"
        ) from error
    return lock


def _open_trust(path: Path, own: Signer) -> TrustFile:
    try:
        return TrustFile(path, own)
    except FileRefused as refused:
        raise StartRefused(f"ISOGLOSS_REGISTRY_PROXY_TRUST_FILE is {path}: {refused}") from refused


def _check_chain(parts: _Parts, health: Health) -> None:
    report = parts.ledger.verify()
    health.mark("ledger", report.problem)
    parts.metrics.ledger_broken.set(report.problem is not None)
    _log.info("ledger opened", extra=asdict(report))
