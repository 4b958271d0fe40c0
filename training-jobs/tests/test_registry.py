"""The registry-proxy's client: how its answers, refusals and silence are told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training_jobs.adapters.registry import HttpRegistry
from training_jobs.refusals import JobRefused, Unreachable
from training_jobs.register import register

VERSION = {"number": 3, "digest": "sha256:" + "a" * 64, "stage": "REGISTERED"}


class RegistryStandIn(BaseHTTPRequestHandler):
    """Gives the answer that the test wrote, and notes what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/v1/artifacts/"):
            self.serve_artifact()
        else:
            self.reply()

    def serve_artifact(self):
        """Answer as the registry-proxy does: a manifest, or one byte of a file of so many."""
        if self.path.endswith("/manifest"):
            self.server.answer = (200, json.dumps({"files": {"a": "", "b": ""}}).encode())
            self.reply()
            return
        assert self.headers["range"] == "bytes=0-0"
        self.send_response(206)
        self.send_header("content-range", f"bytes 0-0/{100 if self.path.endswith('/a') else 23}")
        self.send_header("content-length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def do_POST(self):
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.reply()

    def reply(self):
        self.server.tokens.append(self.headers["authorization"])
        status, content = self.server.answer
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    standing = ThreadingHTTPServer(("127.0.0.1", 0), RegistryStandIn)
    standing.asked, standing.tokens = [], []
    thread = threading.Thread(target=standing.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield standing
    standing.shutdown()
    thread.join()
    standing.server_close()


@pytest.fixture
def registry(server):
    client = HttpRegistry(f"http://127.0.0.1:{server.server_port}", "a-token")
    yield client
    client.close()


@pytest.mark.parametrize(("status", "new"), [(201, True), (200, False)])
def test_a_version_is_registered_once_and_known_the_second_time(registry, server, status, new):
    server.answer = (status, json.dumps({"version": VERSION, "seq": 4}).encode())
    result = register(registry, "sentiment", "run-1", "model")

    assert (result["version"], result["new"]) == (3, new)
    assert server.asked == [{"run_id": "run-1", "artifact_path": "model"}]
    assert server.tokens == ["Bearer a-token"]


def test_a_policy_is_given_as_its_bytes(registry, server):
    server.answer = (200, b"kind: GatePolicy\n")

    assert registry.policy("sentiment") == b"kind: GatePolicy\n"


def test_an_artifacts_size_is_that_of_its_files_together(registry):
    assert registry.artifact_bytes(VERSION["digest"]) == 123


def test_a_refusal_is_told_in_the_registrys_words(registry, server):
    problem = {"title": "Forbidden", "detail": "gate has role gate; trainer is needed."}
    server.answer = (403, json.dumps(problem).encode())

    with pytest.raises(JobRefused, match=r"answered 403 to POST .*trainer is needed"):
        register(registry, "sentiment", "run-1", "model")


def test_a_registry_that_fails_is_unreachable(registry, server):
    server.answer = (502, b"a page of a proxy in between")

    with pytest.raises(Unreachable, match="answered 502"):
        registry.post_evidence("sentiment", {"payload": ""})


def test_a_registry_that_is_not_there_is_unreachable():
    registry = HttpRegistry("http://127.0.0.1:9", "a-token", retries=0)

    with pytest.raises(Unreachable, match="is it running"):
        registry.model_state("sentiment")
    registry.close()


def test_a_registry_that_is_being_restarted_is_waited_for():
    away = ThreadingHTTPServer(("127.0.0.1", 0), RegistryStandIn, bind_and_activate=False)
    away.tokens, away.answer = [], (200, b"kind: GatePolicy\n")
    away.server_bind()  # it has its port, but refuses who comes
    patient = HttpRegistry(f"http://127.0.0.1:{away.server_port}", "a-token")

    def come_back():
        away.server_activate()
        away.handle_request()

    back = threading.Timer(0.3, come_back)
    back.start()
    assert patient.policy("sentiment") == b"kind: GatePolicy\n"
    back.join()
    patient.close()
    away.server_close()
