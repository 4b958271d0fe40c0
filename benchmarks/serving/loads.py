"""Load on a running server: wrk with one thread, closed loop, and what it cost the server."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import cpu_seconds
from servers import Live

_SCRIPT = Path(__file__).parent / "load.lua"
_SETTLE_SECONDS, _IDLE_SHARE = 5, 0.1


@dataclass(frozen=True)
class Load:
    """What a few seconds of load showed; `rate` counts requests, not texts."""

    connections: int
    texts: int
    rate: float
    cpu_us: float
    """CPU of the server's whole tree of processes, a request."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Asked:
    """Requests of the same number of texts each, over some connections, for some seconds."""

    connections: int
    texts: int
    seconds: int


def write_bodies(live: Live, texts: Sequence[str], asked: Asked, path: Path) -> None:
    """Write a request's body a line, `asked.texts` texts in each."""
    size, count = asked.texts, max(len(texts) // asked.texts, 1)
    groups = [texts[at * size : (at + 1) * size] for at in range(count)]
    dialect = live.server.dialect_for(size)
    path.write_text("".join(json.dumps(dialect.body(group)) + "\n" for group in groups))


def warm(live: Live, bodies: Path, asked: Asked, core: int) -> None:
    """Ask as `load` does, and look at nothing: a slow server may not have answered yet."""
    _wrk(live, bodies, asked, core)


def load(live: Live, bodies: Path, asked: Asked, core: int) -> Load:
    """Ask on all connections, each again as soon as it is answered."""
    _settle(live)
    before = cpu_seconds(live.pid)
    said = json.loads(_wrk(live, bodies, asked, core))
    if not said["requests"]:
        raise RuntimeError(f"no request was answered in {asked.seconds} s")
    time.sleep(0.3)  # the last events are part of the cost
    spent = cpu_seconds(live.pid) - before
    return Load(
        connections=asked.connections,
        texts=asked.texts,
        rate=said["requests"] / said["seconds"],
        cpu_us=spent / said["requests"] * 1e6,
        p50_ms=said["p50_ms"],
        p95_ms=said["p95_ms"],
        p99_ms=said["p99_ms"],
        failed=said["failed"],
    )


def _settle(live: Live) -> None:
    """Wait until the server has done what an earlier load left, or works even when idle."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < deadline:
        before = cpu_seconds(live.pid)
        time.sleep(0.2)
        if cpu_seconds(live.pid) - before < 0.2 * _IDLE_SHARE:
            return


def _wrk(live: Live, bodies: Path, asked: Asked, core: int) -> str:
    url, path = f"http://127.0.0.1:{live.port}", live.server.dialect_for(asked.texts).path
    loaded = ["-t1", f"-c{asked.connections}", f"-d{asked.seconds}s", "--timeout", "30s"]
    command = ["taskset", "-c", str(core), "wrk", *loaded, "-s", _SCRIPT, url, "--", path, bodies]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"wrk failed: {made.stderr}{made.stdout}")
    return made.stdout.splitlines()[-1]
