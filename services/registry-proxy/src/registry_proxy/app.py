"""Joins the ledger's side, the artifacts' side and the adapters. Decides nothing."""

import fcntl
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from fastapi import FastAPI

from lifecycle.documents import DocumentRefused
from registry_proxy.adapters.artifact_files import ArtifactFiles
from registry_proxy.adapters.mlflow import MlflowRuns
from registry_proxy.adapters.sqlite_ledger import SqliteLedger
from registry_proxy.adapters.yaml_documents import read_yaml
from registry_proxy.artifacts.ports import Runs
from registry_proxy.artifacts.register import Admission
from registry_proxy.artifacts.routes import artifact_routes, install_artifact_errors
from registry_proxy.ledger.error_table import install_ledger_errors
from registry_proxy.ledger.ports import Clock
from registry_proxy.ledger.record_version import VersionBook
from registry_proxy.ledger.registry import Registry
from registry_proxy.ledger.rollout_routes import rollout_routes
from registry_proxy.ledger.routes import ledger_routes
from registry_proxy.ledger.trust import Trust, TrustedKey, trusted_keys
from registry_proxy.metrics import RegistryMetrics
from registry_proxy.middleware import BodyLimit, RequestCount
from registry_proxy.settings import RegistryProxySettings
from servicekit.callers import TokenFile
from servicekit.problems import install_problem_pages
from servicekit.process import Health, install_pages
from servicekit.signing import Signer, load_signer

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
    tokens: TokenFile
    ledger: SqliteLedger
    registry: Registry
    admission: Admission


def build(
    settings: RegistryProxySettings,
    clock: Clock = time.time,
    open_runs: Callable[[str, float], Runs] = MlflowRuns,
) -> Service:
    """Open everything and join it.

    Raises StartRefused, servicekit's FileRefused, LedgerUnavailable, StoreUnavailable.
    """
    parts = _open(settings, clock, open_runs)
    health = Health()
    _check_chain(parts, health)
    app = FastAPI(title="isogloss registry-proxy", lifespan=_lifespan(parts), docs_url=None)
    app.include_router(ledger_routes(parts.registry, parts.tokens))
    app.include_router(rollout_routes(parts.registry, parts.tokens))
    app.include_router(artifact_routes(parts.admission, parts.tokens))
    install_problem_pages(app)
    install_ledger_errors(app, parts.ledger)
    install_artifact_errors(app)
    install_pages(app, health, parts.metrics.registry)
    app.add_middleware(BodyLimit, limit_bytes=settings.body_limit_bytes)
    app.add_middleware(RequestCount, metrics=parts.metrics)
    return Service(app, health)


def _open(
    settings: RegistryProxySettings, clock: Clock, open_runs: Callable[[str, float], Runs]
) -> _Parts:
    lock = _lock(settings.data_dir)
    metrics = RegistryMetrics()
    tokens = TokenFile(settings.callers_file)
    signer = load_signer(settings.signing_key_file)
    trust = _read_trust(settings.trust_file, signer)
    ledger = SqliteLedger(settings.data_dir / "ledger.db", clock, metrics.observe_entries)
    versions = VersionBook(ledger)
    store = ArtifactFiles(settings.data_dir / "artifacts")
    _log.info("artifacts opened", extra={"set_aside": store.clean(versions.digests())})
    runs = open_runs(settings.mlflow_url, settings.mlflow_timeout_seconds)
    registry = Registry(ledger, trust, signer, clock, read_yaml)
    admission = Admission(runs, store, versions, settings.artifact_limit_bytes)
    return _Parts(lock, metrics, tokens, ledger, registry, admission)


def _lifespan(parts: _Parts) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def closing(_app: FastAPI) -> AsyncIterator[None]:
        yield
        parts.admission.runs.close()
        parts.ledger.close()
        parts.lock.close()

    return closing


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


def _read_trust(path: Path, own: Signer) -> Trust:
    """Read the trusted keys; the own one need not stand there."""
    try:
        keys = trusted_keys(json.loads(path.read_bytes()))
        others = [key for key in keys if key.public != own.public_text]
        return Trust([*others, TrustedKey("registry-proxy", own.public_text)])
    except (OSError, ValueError, RecursionError, DocumentRefused) as error:
        raise StartRefused(
            f"ISOGLOSS_REGISTRY_PROXY_TRUST_FILE is {path}: {error}; "
            'it must hold {"keys": [{"role", "public"}]}'
        ) from error


def _check_chain(parts: _Parts, health: Health) -> None:
    report = parts.ledger.verify()
    health.mark("ledger", report.problem)
    parts.metrics.ledger_broken.set(report.problem is not None)
    _log.info("ledger opened", extra=asdict(report))
