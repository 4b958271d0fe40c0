# ruff: noqa: INP001 - scripts, not a package
"""Measures what a prediction costs in each lane, beside a bare FastAPI app around scikit-learn.

All servers run on one core, the load on another, in one run, a round for each in turn. What
counts is CPU time per request (schedstat of the server's threads): it survives a noisy machine,
and the ratios travel. Writes results/serving-lane.json and .md. Other model servers are not here.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from serving_lane_servers import make_pipeline_of_scikit_learn, make_texts, save_artifacts

from textmodels.artifacts import load_artifact

HERE = Path(__file__).parent
CONNECTIONS = 8
PACKAGES = ("fastapi", "httptools", "numpy", "scikit-learn", "uvicorn", "uvloop")


@dataclass
class Arm:
    """One server, and what was measured of it in each round."""

    name: str
    family: str
    inline: bool = False
    null: bool = False
    events: bool = False
    port: int = 0
    pid: int = 0
    rounds: list["Round"] = field(default_factory=list)

    def median(self, what: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(getattr(each, what) for each in self.rounds)


@dataclass(frozen=True)
class Round:
    """A few seconds of load."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float


ARMS = {
    "floor": Arm("bare uvloop protocol, same bytes to all", "floor"),
    "bare": Arm("FastAPI + scikit-learn", "bare"),
    "app-tfidf": Arm("app, tfidf_linear", "tfidf_linear"),
    "app": Arm("app, numpy network", "keras_embedding"),
    "app-null": Arm("app, null predictor", "keras_embedding", null=True),
    "lane": Arm("lane, numpy network", "keras_embedding", inline=True),
    "lane-null": Arm("lane, null predictor", "keras_embedding", inline=True, null=True),
    "lane-null-events": Arm(
        "lane, null predictor, events", "keras_embedding", inline=True, null=True, events=True
    ),
}


def main() -> None:
    """Measure every arm and write the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=2.0, help="of each round of each arm")
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    started, begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.monotonic()
    server_core, *_, load_core = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {load_core})
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        save_artifacts(Path(directory))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sink = runner.run(start_sink())
            for arm in ARMS.values():
                stack.enter_context(serving(arm, Path(directory), sink, server_core))
            for number in range(asked.rounds + 1):
                for arm in ARMS.values():
                    measured = runner.run(load(arm, asked.seconds if number else 0.5))
                    arm.rounds += [measured] if number else []  # the first warms up
        os.sched_setaffinity(0, {server_core})
        alone = time_alone(Path(directory))
    about = {"started": started, "seconds": round(time.monotonic() - begun, 1)}
    write(about, alone)


async def start_sink() -> int:
    """Take batches of events as the drift-monitor does, and look into none."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


class Sink(asyncio.Protocol):
    """One connection on which batches come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a batch."""
        self.transport, self.came = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every batch that is whole."""
        self.came += data
        while (size := size_of(self.came)) and len(self.came) >= size:
            self.came = self.came[size:]
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


@contextlib.contextmanager
def serving(arm: Arm, directory: Path, sink: int, core: int) -> Iterator[None]:
    """Start an arm's server on its core, wait until it is ready, and end it."""
    secret = directory / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        arm.port = free.getsockname()[1]
    given = {"family": arm.family, "inline": arm.inline, "null": arm.null, "core": core}
    given |= {"port": arm.port, "directory": str(directory), "sink": sink if arm.events else 0}
    command = [sys.executable, HERE / "serving_lane_servers.py", json.dumps(given)]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent) as process:
        arm.pid = process.pid
        try:
            while not is_ready(arm.port):
                if process.poll() is not None:
                    raise SystemExit(f"{arm.name} ended before it was ready")
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def is_ready(port: int) -> bool:
    """Ask the server."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, 10)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False


async def load(arm: Arm, seconds: float) -> Round:
    """Ask on all connections, each as soon as it is answered, and see what it costs."""
    requests = make_requests()
    callers = [Caller(requests) for _ in range(CONNECTIONS)]
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.3)  # what an earlier round left to send is sent
    before, begun = cpu_seconds(arm.pid), time.perf_counter()
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", arm.port)
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - begun
    if arm.events:
        await asyncio.sleep(0.5)  # the last batch is part of the cost
    spent = cpu_seconds(arm.pid) - before
    for caller in callers:
        caller.stop()
    latencies = sorted(latency for caller in callers for latency in caller.latencies)
    count = len(latencies)
    p50, p99 = latencies[count // 2] * 1000, latencies[count * 99 // 100] * 1000
    return Round(spent / count * 1e6, count / elapsed, p50, p99)


def make_requests() -> list[bytes]:
    """Return the requests of one gateway: its headers, a text each."""
    requests = []
    for number, text in enumerate(make_texts()[:256]):
        body = json.dumps({"text": text}).encode()
        head = (
            "POST /predict HTTP/1.1\r\nhost: inference\r\nuser-agent: load\r\naccept: */*\r\n"
            f"content-type: application/json\r\nx-request-id: {number:032x}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


class Caller(asyncio.Protocol):
    """One connection that is always waiting for one answer."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.requests = random.Random(id(self)).sample(requests, len(requests))  # noqa: S311
        self.latencies: list[float] = []
        self.came, self.stopped = b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self.transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again once the answer is whole; any answer but a 200 ends the run."""
        self.came += data
        size = size_of(self.came)
        if not size or len(self.came) < size:
            return
        if not self.came.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(self.came.decode())
        self.latencies.append(time.perf_counter() - self.asked)
        self.came = b""
        if not self.stopped:
            self._ask()

    def stop(self) -> None:
        """Ask no more."""
        self.stopped = True
        self.transport.close()

    def _ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.requests[len(self.latencies) % len(self.requests)])


def size_of(came: bytes) -> int:
    """Return how long the message is that begins here; 0 while its head is not whole."""
    end = came.find(b"\r\n\r\n") + 4
    if end < 4:
        return 0
    at = came.lower().find(b"content-length: ", 0, end) + 16
    return end + int(came[at : came.find(b"\r", at)])


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def time_alone(directory: Path) -> dict[str, float]:
    """Return the microseconds one text takes in this process, without HTTP."""
    pipeline, texts = make_pipeline_of_scikit_learn(), make_texts()[:256]
    _, network = load_artifact(directory / "keras_embedding")
    return {
        "scikit-learn": time_each(lambda text: pipeline.predict_proba([text]), texts),
        "numpy network": time_each(lambda text: network.predict([text]), texts),
    }


def time_each(score: Any, texts: Sequence[str]) -> float:
    """Return the least CPU microseconds a text took, of several runs over all."""
    runs = []
    for _ in range(5):
        begun = time.process_time()
        for text in texts:
            score(text)
        runs.append((time.process_time() - begun) / len(texts) * 1e6)
    return min(runs)


def write(about: dict[str, Any], alone: dict[str, float]) -> None:
    """Write the results as data and to be read."""
    arms = {name: describe(arm) for name, arm in ARMS.items()}
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - the caller's git
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE,
    )
    results = {
        "name": "serving-lane",
        "commit": commit.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}",
        "versions": {package: version(package) for package in PACKAGES},
        **about,
        "bars": bars(),
        "arms": arms,
        "alone_cpu_us": {name: round(value, 1) for name, value in alone.items()},
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results/serving-lane.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "results/serving-lane.md").write_text(tell(results))
    sys.stdout.write(tell(results))


def describe(arm: Arm) -> dict[str, Any]:
    """Return an arm's medians."""
    digits = {"cpu_us": 1, "rps": 0, "p50_ms": 2, "p99_ms": 2}
    return {"is": arm.name} | {what: round(arm.median(what), n) for what, n in digits.items()}


def bars() -> list[dict[str, Any]]:
    """Judge what was measured."""
    cpu = {name: arm.median("cpu_us") for name, arm in ARMS.items()}
    return [
        bar("lane", "CPU us a request of the lane, predictor not counted", "<=", 30,
            cpu["lane-null"]),
        bar("lane-over-floor", "the same, less that of a bare protocol", "<=", 25,
            cpu["lane-null"] - cpu["floor"]),
        bar("app-to-lane", "the same of the app over that of the lane", ">=", 5,
            cpu["app-null"] / cpu["lane-null"]),
        bar("bare-to-lane", "CPU of FastAPI + scikit-learn over lane and network", ">=", 10,
            cpu["bare"] / cpu["lane"]),
        bar("events", "CPU us that reporting a prediction costs", "<=", 10,
            cpu["lane-null-events"] - cpu["lane-null"]),
    ]  # fmt: skip


def bar(name: str, what: str, op: str, limit: float, value: float) -> dict[str, Any]:
    """Return one bar as every benchmark writes it."""
    met = value <= limit if op == "<=" else value >= limit
    measured = {"op": op, "limit": limit, "value": round(value, 2), "met": met}
    return {"id": name, "what": what, **measured, "how": "make bench-serving-lane"}


def tell(results: dict[str, Any]) -> str:
    """Return the results as a page."""
    lines = ["# A prediction of one text of 64 words, 8 connections, one core", ""]
    lines += ["| server | CPU us/request | requests/s | p50 ms | p99 ms |", "|---|---|---|---|---|"]
    for arm in results["arms"].values():
        lines.append("| " + " | ".join(str(each) for each in arm.values()) + " |")
    alone = results["alone_cpu_us"].items()
    lines += ["", "Without HTTP: " + ", ".join(f"{name} {us} us" for name, us in alone) + ".", ""]
    lines += ["| bar | limit | measured | met |", "|---|---|---|---|"]
    for each in results["bars"]:
        met = "yes" if each["met"] else "**no**"
        lines.append(f"| {each['what']} | {each['op']} {each['limit']} | {each['value']} | {met} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
