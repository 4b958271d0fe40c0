"""The drift-monitor under test, and the References that it asks for, as processes see them."""

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
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from monitor_files import write_files
from safetensors.numpy import save
from sender import TOKEN, draw


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
        files = write_files(folder, TOKEN)
        self._folder = folder
        self.port = 18_200 + os.getpid() % 1000
        settings = {
            "PORT": str(self.port),
            "DATA_DIR": str(folder / "data"),
            "REGISTRY_URL": registry_url,
            "QUEUE_LIMIT": "100",
        }
        settings |= {name.upper(): str(path) for name, path in files.items()}
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

    def kept(self) -> int:
        """Return the bytes of its tables and journal."""
        files = (self._folder / "data").rglob("*")
        return sum(path.stat().st_size for path in files if path.is_file())

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
