"""Stand-ins for what is outside this service; each passes the same suite as the real adapter."""

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgpack
import numpy as np

from inference.ports import EventsRefused, EventsUnavailable
from textmodels.predictions import Predictions

TOKEN = "a-predictors-token"


class FakeEventSink:
    """An EventSink that keeps what it takes; `says` are the answers to come, then success."""

    def __init__(self):
        self.says = []
        self.offered = []
        self.taken = []
        self.some = asyncio.Event()

    async def send(self, batch):
        self.offered.append(msgpack.unpackb(batch))
        said = self.says.pop(0) if self.says else 200
        if said >= 500:
            raise EventsUnavailable(f"{said}")
        if said >= 400:
            raise EventsRefused(f"{said}")
        self.taken.append(self.offered[-1])
        self.some.set()


class FakePredictor:
    """A Predictor that answers "positive" to texts with a "good" in them, when it is let."""

    labels = ("negative", "positive")
    family = "fake"
    inline = False

    def __init__(self):
        self.seen = []
        self.begun = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.fault = None

    def predict(self, texts):
        self.seen.append(list(texts))
        self.begun.release()
        assert self.may_go_on.wait(30)
        if self.fault:
            raise self.fault
        good = np.array(["good" in text for text in texts], np.int64)
        return Predictions(
            label_indices=good,
            scores=np.stack([1 - good, good], axis=1).astype(np.float32),
            tokens=np.array([len(text.split()) for text in texts], np.int32),
            out_of_vocabulary=np.zeros(len(texts), np.float32),
            truncated=np.zeros(len(texts), np.bool_),
            projection=np.ones((len(texts), 64), np.float16),
        )


class Answers(BaseHTTPRequestHandler):
    """Answers with the routes of the server it belongs to, one connection a request."""

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.fake.answer(self, body)

    def give(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        """Say nothing."""


class FakeServer:
    """A real HTTP server on a port of its own."""

    @contextmanager
    def running(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.daemon_threads = False
        server.fake = self
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class FakeRegistry(FakeServer):
    """The registry-proxy's artifact routes over one directory, with ranges."""

    def __init__(self, directory, digest):
        self.directory = directory
        self.digest = digest
        self.asked = []
        self.altered = {}
        self.says = []
        self.cut_at = None

    def answer(self, http, _body):
        self.asked.append((http.path, http.headers.get("range")))
        if self.says:
            return http.give(self.says.pop(0))
        if http.headers.get("authorization") != f"Bearer {TOKEN}":
            return http.give(401)
        prefix = f"/v1/artifacts/{self.digest}/"
        name = http.path.removeprefix(prefix).removeprefix("files/")
        name = "manifest.json" if name == "manifest" else name
        if not http.path.startswith(prefix) or not (self.directory / name).exists():
            return http.give(404)
        return self._give_file(http, name)

    def _give_file(self, http, name):
        body = self.altered.get(name, (self.directory / name).read_bytes())
        start = int((http.headers.get("range") or "bytes=0-")[6:-1])
        if start >= len(body):
            return http.give(416)
        if self.cut_at and name != "manifest.json":
            cut, self.cut_at = self.cut_at, None
            http.send_response(200)
            http.send_header("content-length", str(len(body)))
            http.end_headers()
            return http.wfile.write(body[:cut])
        return http.give(206 if start else 200, body[start:])


class FakeDriftMonitor(FakeServer):
    """The drift-monitor's event route, keeping the batches."""

    def __init__(self):
        self.says = []
        self.batches = []

    def answer(self, http, body):
        if http.headers.get("authorization") != f"Bearer {TOKEN}":
            return http.give(401, b"{}")
        if self.says:
            return http.give(self.says.pop(0), b"{}")
        self.batches.append(msgpack.unpackb(body))
        return http.give(200, json.dumps({"accepted": self.batches[-1]["rows"]}).encode())
