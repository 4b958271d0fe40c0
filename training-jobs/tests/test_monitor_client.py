"""The drift-monitor's client: how its answers, refusals and silence are told."""

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training_jobs.adapters.monitor import HttpMonitor
from training_jobs.refusals import JobRefused, Unreachable

DIGEST = "sha256:" + "b" * 64


class StandIn(BaseHTTPRequestHandler):
    """Gives the answer that the test wrote, and notes what was asked."""

    def reply(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.command, self.path, self.headers["authorization"], body))
        status, document = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    do_GET = do_PUT = reply  # noqa: N815 - the server's names

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def monitor():
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.answer, server.seen = (200, {}), []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(monitor):
    with closing(HttpMonitor(f"http://127.0.0.1:{monitor.server_address[1]}", "t")) as made:
        yield made


def test_facts_are_asked_for_with_their_time_and_a_report_is_put(monitor, client):
    monitor.answer = (200, {"model": "sentiment"})
    assert client.facts("sentiment", 7.0, 100.0) == {"model": "sentiment"}
    client.keep_report("sentiment", 100.0, {"summary": "fine"})
    asked, put = monitor.seen
    assert asked[:3] == ("GET", "/v1/models/sentiment/facts?days=7.0&until=100.0", "Bearer t")
    assert (put[1], json.loads(put[3])) == (
        "/v1/models/sentiment/reports/100.0",
        {"summary": "fine"},
    )


def test_traffic_is_asked_for_by_days_and_the_file_is_put(monitor, client):
    place = f"/v1/models/sentiment/versions/{DIGEST}"
    monitor.answer = (200, {"sha256": "sha256:1"})
    assert json.loads(client.sample("sentiment", DIGEST, 14)) == {"sha256": "sha256:1"}
    assert client.accept("sentiment", DIGEST, b"rows") == {"sha256": "sha256:1"}
    asked, put = monitor.seen
    assert asked[:2] == ("GET", f"{place}/sample?days=14")
    assert (put[0], put[1], put[3]) == ("PUT", f"{place}/accepted", b"rows")


@pytest.mark.parametrize(("status", "failure"), [(404, JobRefused), (503, Unreachable)])
def test_what_it_refuses_is_told_in_its_own_words(monitor, client, status, failure):
    monitor.answer = (status, {"detail": "sentiment has sent no events"})
    with pytest.raises(failure, match="sent no events"):
        client.facts("sentiment", 7.0, None)


def test_silence_is_told():
    client = HttpMonitor("http://127.0.0.1:9", "t", retries=0)
    with closing(client), pytest.raises(Unreachable, match="did not answer"):
        client.facts("sentiment", 7.0, None)
