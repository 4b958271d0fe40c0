# ruff: noqa: INP001 - a script, not a package
"""Measures how many prediction events a drift-monitor takes and counts on one core.

The service is the real process with its journal and SQLite, held to one core; the sender, on the
others, posts packed batches of 500 events over kept connections and waits where it is told to. An
event counts once it is in the tables. Rows are drawn at random: what they say costs nothing here.
Writes results/ingest.json and .md.
"""

import argparse
import hashlib
import http.client
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import msgpack
import numpy as np
from bars import Bar, Report, tell
from safetensors.numpy import save

from servicekit.signing import generate_key

ROWS, LABELS, TOKEN = 500, ["negative", "positive"], "the only one"
KINDS = 40
"""Batches are packed before; each is sent many times, under an id of its own."""
SLICES = 12
CONNECTIONS = 2


class Sender:
    """Packs batches and posts them to the service at a port."""

    def __init__(self, port: int, versions: Sequence[str], slices: int) -> None:
        self._port = port
        self._rng = np.random.default_rng(1)
        self._bodies = [
            self._packed(versions[kind % len(versions)], kind, slices) for kind in range(KINDS)
        ]
        self.refused = 0

    def send(self, batches: int, first: int) -> None:
        """Post so many batches over several connections."""
        numbers = iter(range(first, first + batches))
        lock = threading.Lock()

        def post() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port)
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    connection.close()
                    return
                self._post(connection, number)

        threads = [threading.Thread(target=post) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _post(self, connection: http.client.HTTPConnection, number: int) -> None:
        # Ids of batch and requests have a fixed width, so that they are exchanged in place.
        body = self._bodies[number % KINDS].replace(b"batch-00000000", b"batch-%08d" % number)
        body = body.replace(b"r00000000-", b"r%08d-" % number)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/msgpack"}
        while True:
            connection.request("POST", "/v1/events", body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == http.client.OK:
                return
            if answer.status != http.client.SERVICE_UNAVAILABLE:
                raise RuntimeError(f"POST /v1/events: {answer.status}")
            self.refused += 1
            time.sleep(0.05)

    def _packed(self, digest: str, kind: int, slices: int) -> bytes:
        columns = draw(self._rng, ROWS)
        names = [f"r00000000-{kind:03d}{row:05d}" for row in range(ROWS)]
        domains = self._rng.integers(0, slices, ROWS)
        lists = {key: columns[key].tolist() for key in ("words", "oov", "non_letter", "scores")}
        more = {
            "request_id": names,
            "time": [time.time()] * ROWS,
            "outcome": ["ok"] * ROWS,
            "label": columns["label_indices"].tolist(),
            "latency_ms": [3.0] * ROWS,
            "characters": (columns["words"] * 6).tolist(),
            "tokens": lists["words"],
            "language": ["en"] * ROWS,
            "truncated": [False] * ROWS,
            "projection": columns["projection"].astype("<f2").tobytes(),
            "fingerprint": [hashlib.sha256(name.encode()).hexdigest()[:32] for name in names],
            "slices": [{"length": "short", "language": "en", "domain": f"d{d}"} for d in domains],
        }
        head: dict[str, object] = {"schema": 1, "batch_id": "batch-00000000", "model": "sentiment"}
        head |= {"version": digest, "labels": LABELS, "rows": ROWS, "columns": lists | more}
        return bytes(msgpack.packb(head))


def draw(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Draw the columns of a Reference."""
    label = rng.integers(0, 2, rows)
    sure = (0.5 + 0.5 * rng.beta(4, 1, rows))[:, None]
    words = np.maximum(1, rng.lognormal(4.8, 0.7, rows)).astype("i4")
    return {
        "projection": (rng.normal(size=(rows, 64)) / 8).astype("f2"),
        "scores": np.where(label[:, None] == np.arange(2), sure, 1 - sure).astype("f4"),
        "label_indices": label,
        "true_indices": np.where(rng.random(rows) < sure[:, 0], label, 1 - label),
        "characters": words * 6,
        "words": words,
        "tokens": words,
        "oov": rng.beta(1, 20, rows).astype("f4"),
        "non_letter": rng.beta(4, 60, rows).astype("f4"),
        "truncated": np.zeros(rows, dtype=bool),
        "language_index": np.zeros(rows, dtype="i2"),
    }


@contextmanager
def registry(count: int) -> Iterator[tuple[str, list[str]]]:
    """Serve the References of so many versions; yields the address and their digests."""
    files: dict[str, bytes] = {}
    digests = []
    for number in range(count):
        columns = draw(np.random.default_rng(100 + number), 5000)
        content = save(columns, metadata={"languages": '["en"]'})
        manifest = json.dumps({"files": {"reference.safetensors": digest_of(content)}}).encode()
        digests.append(digest_of(manifest))
        files[f"/v1/artifacts/{digests[-1]}/manifest"] = manifest
        files[f"/v1/artifacts/{digests[-1]}/files/reference.safetensors"] = content

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files[self.path]
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", digests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def digest_of(content: bytes) -> str:
    """Return the digest that a registry names content by."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Service:
    """A running drift-monitor on one core."""

    def __init__(self, folder: Path, registry_url: str, core: int) -> None:
        caller = {"name": "bench", "roles": ["predictor"]}
        caller["sha256"] = hashlib.sha256(TOKEN.encode()).hexdigest()
        for name, text in (("callers.json", json.dumps({"callers": [caller]})), ("token", "own")):
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        generate_key(folder / "key.pem")
        self.port = 18_200 + os.getpid() % 1000
        settings = {
            "PORT": str(self.port),
            "DATA_DIR": str(folder / "data"),
            "REGISTRY_URL": registry_url,
            "TOKEN_FILE": str(folder / "token"),
            "CALLERS_FILE": str(folder / "callers.json"),
            "SIGNING_KEY_FILE": str(folder / "key.pem"),
            "QUEUE_LIMIT": "100",
        }
        environment = {f"ISOGLOSS_DRIFT_MONITOR_{key}": value for key, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drift_monitor"],
            env=os.environ | environment | {"OPENBLAS_NUM_THREADS": "1"},
            stderr=(folder / "log").open("w"),
        )
        os.sched_setaffinity(self.process.pid, {core})

    def ask(self, path: str) -> str:
        """Return a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        connection.request("GET", path, headers=headers)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def await_ready(self) -> None:
        """Return once it answers."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.ask("/livez")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the drift-monitor does not answer")

    def counted(self) -> float:
        """Return the events that are in the tables."""
        lines = self.ask("/metrics").splitlines()
        found = [line for line in lines if line.startswith("isogloss_drift_monitor_events_total")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def memory(self) -> int:
        """Return its resident bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def seconds_of_cpu(self) -> float:
        """Return the CPU time that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(registry_url: str, core: int) -> Iterator[Service]:
    """Run a service in a folder and on a core of its own."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder), registry_url, core)
        try:
            service.await_ready()
            yield service
        finally:
            service.process.kill()
            service.process.wait()


def run_through(service: Service, sender: Sender, batches: int, first: int) -> float:
    """Send batches, wait until all are counted; return the seconds."""
    target = service.counted() + batches * ROWS
    began = time.perf_counter()
    sender.send(batches, first)
    while service.counted() < target:
        time.sleep(0.02)
    return time.perf_counter() - began


def measure(report: Report, events: int) -> list[Bar]:
    """Measure one version's events, and memory over all of them."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {core})
    with registry(1) as (url, digests), running(url, core) as service:
        sender = Sender(service.port, digests, SLICES)
        run_through(service, sender, 40, 0)
        sent, rates, memory = 40, [], [service.memory()]
        piece = max(40, min(200, events // ROWS // 5))
        cpu = service.seconds_of_cpu()
        while sent * ROWS < events:
            rates.append(piece * ROWS / run_through(service, sender, piece, sent))
            sent += piece
            memory.append(service.memory())
            tell(f"{sent * ROWS:,} events: {rates[-1]:,.0f}/s, {memory[-1] / 2**20:.0f} MB")
        cpu = service.seconds_of_cpu() - cpu
    settled = memory[len(memory) // 5 :]
    growth = (max(settled[len(settled) // 2 :]) - max(settled[: len(settled) // 2])) / 2**20
    typical = float(np.median(rates))
    done = (sent - 40) * ROWS
    return [
        report.at_least("ingest.rate", "events/s, one core, batches of 500", 50_000, typical),
        report.shown("ingest.cpu", "CPU microseconds an event", 1e6 * cpu / done),
        report.shown("ingest.events", "events sent", done),
        report.at_most("ingest.growth", "MB that memory grew in the second half", 20, growth),
        report.shown("ingest.memory", "MB resident at the end", memory[-1] / 2**20),
    ]


def main() -> int:
    """Measure and write the results; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events are sent")
    arguments = parser.parse_args()
    versions = {name: version(name) for name in ("fastapi", "uvicorn", "numpy", "sqlalchemy")}
    report = Report("ingest", "make bench-ingest", versions, time.time())
    return 0 if report.write(measure(report, arguments.events)) else 1


if __name__ == "__main__":
    sys.exit(main())
