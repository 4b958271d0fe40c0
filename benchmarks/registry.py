# ruff: noqa: INP001 - a script, not a package
"""What asking the registry costs: resolving a model's Production and being told that its artifact
is still the same (304), on one core, and MLflow's answer to an alias beside it, on the same core.
"""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio.from_thread
import httpx
from bars import Report

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "services/registry-proxy/tests"
CONNECTIONS, SECONDS = 16, 8.0
CORE = ["taskset", "-c", "0"]
TAGS = {"commit": "abc123"}


def main() -> None:
    """Measure, write benchmarks/results/registry.json and .md; exit 1 where the bar is missed."""
    versions = {"mlflow": version("mlflow"), "fastapi": version("fastapi")}
    report = Report("registry", "make bench-registry", versions, time.time())
    with tempfile.TemporaryDirectory() as folder:
        ours, alias = measure(_support(), Path(folder))
    bars = [
        report.at_least(
            "resolve-304",
            "one core, 16 connections: Production resolved and its 304, both, per second",
            2000,
            ours,
        ),
        report.shown("mlflow-alias", "the same core, MLflow: GET of an alias, per second", alias),
    ]
    sys.exit(0 if report.write(bars) else 1)


def measure(support: ModuleType, folder: Path) -> tuple[float, float]:
    """Return pairs a second of ours, and aliases a second of MLflow's."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        mlflow = start_mlflow(support, folder, servers)
        run_id = mlflow.log(support.fakes.an_artifact, tags=TAGS)
        world, digest = released(support, folder)
        registry = start_registry(support, world, mlflow.url, servers)
        token = f"Authorization: Bearer {world.tokens['predictor']}\r\n"
        pair = [
            _request(f"/v1/models/{world.model}/versions/production", token),
            _request(f"/v1/artifacts/{digest}/manifest", f'{token}If-None-Match: "{digest}"\r\n'),
        ]
        ours = rate(registry, pair)
        return ours, rate(mlflow.url, [alias_request(mlflow.url, run_id)])
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def released(support: ModuleType, folder: Path) -> tuple[Any, str]:
    """Make a ledger with a version in PRODUCTION; returns its world, and the version's digest."""
    with anyio.from_thread.start_blocking_portal() as portal:
        world = support.World(folder, portal).start()
        world.put_policy()
        digest = world.released()
        world.stop()
    return world, digest


def start_mlflow(support: ModuleType, folder: Path, servers: list[subprocess.Popen[bytes]]) -> Any:
    """Start MLflow with one worker on the measured core."""
    port = support.free_port()
    command = [
        *(*CORE, sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    url = f"http://127.0.0.1:{port}"
    _start(command, off, folder / "mlflow.log", servers)
    support.wait_until_answers(f"{url}/health", servers[-1], folder / "mlflow.log")
    return support.MlflowServer(url, folder)


def start_registry(
    support: ModuleType, world: Any, mlflow_url: str, servers: list[subprocess.Popen[bytes]]
) -> str:
    """Start the registry-proxy on the measured core; returns its address."""
    port = support.free_port()
    given = world.settings.model_dump(mode="json", exclude_defaults=True)
    settings = given | {"port": port, "mlflow_url": mlflow_url}
    names = {f"ISOGLOSS_REGISTRY_PROXY_{name.upper()}": str(v) for name, v in settings.items()}
    log = world.folder / "registry.log"
    _start([*CORE, sys.executable, "-m", "registry_proxy"], names, log, servers)
    url = f"http://127.0.0.1:{port}"
    support.wait_until_answers(f"{url}/readyz", servers[-1], log)
    return url


def alias_request(url: str, run_id: str) -> bytes:
    """Make a registered model with an alias in MLflow; returns the request for it."""
    api = f"{url}/api/2.0/mlflow"
    source = f"mlflow-artifacts:/0/{run_id}/artifacts/model"
    for path, body in (
        ("registered-models/create", {"name": "m"}),
        ("model-versions/create", {"name": "m", "source": source, "run_id": run_id}),
        ("registered-models/alias", {"name": "m", "alias": "production", "version": "1"}),
    ):
        httpx.post(f"{api}/{path}", json=body, timeout=60).raise_for_status()
    return _request("/api/2.0/mlflow/registered-models/alias?name=m&alias=production")


def rate(url: str, requests: Sequence[bytes]) -> float:
    """Return how often a second all requests, one after another, are answered 200 or 304."""
    host, port = httpx.URL(url).host, httpx.URL(url).port
    asyncio.run(_ask(host, port, requests, SECONDS / 4))  # warm
    began = time.monotonic()
    rounds = asyncio.run(_ask(host, port, requests, SECONDS))
    return rounds / (time.monotonic() - began)


async def _ask(host: str, port: int | None, requests: Sequence[bytes], seconds: float) -> int:
    end = time.monotonic() + seconds

    async def one() -> int:
        rounds = 0
        reader, writer = await asyncio.open_connection(host, port)
        while time.monotonic() < end:
            for request in requests:
                writer.write(request)
                await _read(reader)
            rounds += 1
        writer.close()
        return rounds

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


async def _read(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if head[9:12] == b"304":
        return
    if head[9:12] != b"200":
        sys.exit(f"not answered: {head.decode()}")
    length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
    await reader.readexactly(int(length))


def _request(target: str, headers: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()


def _start(
    command: Sequence[str],
    settings: Mapping[str, str],
    log: Path,
    servers: list[subprocess.Popen[bytes]],
) -> None:
    environment = {**os.environ, **settings}
    with log.open("w") as file:
        servers.append(
            subprocess.Popen(
                command, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        )


def _support() -> ModuleType:
    """Load what the registry-proxy's tests start servers with."""
    spec = importlib.util.spec_from_file_location("registry_proxy_conftest", TESTS / "conftest.py")
    if spec is None or spec.loader is None:
        sys.exit(f"{TESTS} is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
