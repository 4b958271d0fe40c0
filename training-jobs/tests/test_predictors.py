"""The HTTP client that measures, on a server that answers as the inference service does."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training_jobs.adapters.predictors import HttpPredictor
from training_jobs.refusals import JobRefused, Unreachable

DIGEST = "sha256:" + "a" * 64


def tensors(labels):
    scores = [score for label in labels for score in ((0.8, 0.2) if label == "bad" else (0.3, 0.7))]
    named = {"parameters": {"labels": '["bad", "good"]'}}
    return {
        "outputs": [{"name": "label", "data": labels}, {"name": "scores", "data": scores, **named}]
    }


class InferenceStandIn(BaseHTTPRequestHandler):
    """Answers every text with its last word; `server.busy` requests before that with 503."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.paths.append(self.path)
        if self.server.busy > 0:
            self.server.busy -= 1
            self.answer(503, {"title": "Busy"}, ("retry-after", "0"))
        elif self.path == "/predict":
            self.answer(200, {"prediction": body["text"].split()[-1]})
        elif self.path.endswith(":explain"):
            self.explain(body["instances"])
        else:
            self.answer(200, tensors([text.split()[-1] for text in body["inputs"][0]["data"]]))
        self.close_connection = self.server.closes

    def explain(self, texts):
        if not self.server.explains:
            self.answer(404, {"type": "urn:isogloss:problem:no-explanation"})
            return
        added = [{"feature": "good", "contribution": 1.5}]
        sums = {"intercept": 0.5, "features": added, "rest": -1.0, "others": [0.0]}
        self.answer(200, {"explanations": [{"label": text, **sums} for text in texts]})

    def do_GET(self):
        page = "process_resident_memory_bytes 5.2e+07\n" if self.path == "/metrics" else ""
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

    def answer(self, status, document, *headers):
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (
            ("x-model-version", self.server.version),
            ("content-length", str(len(content))),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    standing = ThreadingHTTPServer(("127.0.0.1", 0), InferenceStandIn)
    standing.version, standing.busy, standing.closes, standing.paths = DIGEST, 0, False, []
    standing.explains = True
    thread = threading.Thread(target=standing.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield standing
    standing.shutdown()
    thread.join()
    standing.server_close()


@pytest.fixture
def connection(server):
    url = f"http://127.0.0.1:{server.server_port}"
    connected = HttpPredictor("candidate", url, "sentiment", DIGEST).connect()
    yield connected
    connected.close()


def test_a_batch_is_answered_with_labels_and_scores(connection, server):
    good, bad = connection.answers(["it was good", "it was bad"])

    assert (good.label, good.scores) == ("good", {"bad": 0.3, "good": 0.7})
    assert (bad.label, bad.confidence) == ("bad", 0.8)
    assert server.paths == ["/v2/models/sentiment/infer"]


def test_a_predictors_memory_is_read_on_its_metrics_page(server):
    url = f"http://127.0.0.1:{server.server_port}"

    told = HttpPredictor("candidate", "http://127.0.0.1:9", "sentiment", DIGEST, url)
    assert told.memory_bytes() == 52_000_000
    silent = HttpPredictor("candidate", url, "sentiment", DIGEST, "http://127.0.0.1:9")
    assert silent.memory_bytes() is None


def test_explanations_are_asked_a_few_texts_at_a_time(connection, server):
    server.busy = 1
    found = connection.explanations([f"text {number}" for number in range(40)])

    assert [each.label for each in found] == [f"text {number}" for number in range(40)]
    assert found[0].features == (("good", 1.5),)
    assert found[0].score == pytest.approx(1 / (1 + math.exp(-1)))
    assert server.paths == ["/v1/models/sentiment:explain"] * 3


def test_a_version_without_explanations_gives_none(connection, server):
    server.explains = False

    assert connection.explanations(["good"]) is None


def test_a_single_prediction_is_asked_of_the_users_route(connection, server):
    assert connection.is_answered("good")
    assert server.paths == ["/predict"]


def test_a_full_queue_is_waited_for_when_labels_are_asked(connection, server):
    server.busy = 3

    assert connection.answers(["good"])[0].label == "good"


def test_a_full_queue_is_no_answer_when_predictions_are_timed(connection, server):
    server.busy = 1

    assert not connection.is_answered("good")


@pytest.mark.parametrize("ask", ["answers", "is_answered"])
def test_another_version_at_that_address_is_refused(connection, server, ask):
    server.version = "sha256:" + "b" * 64

    with pytest.raises(JobRefused, match="give the address where that version is served"):
        getattr(connection, ask)(["good"] if ask == "answers" else "good")


def test_a_connection_closed_while_idle_is_made_again(connection, server):
    server.closes = True

    assert [connection.is_answered("good") for _ in range(3)] == [True] * 3


def test_an_address_where_nobody_listens_is_unreachable():
    nobody = HttpPredictor("candidate", "http://127.0.0.1:9", "sentiment", DIGEST).connect()

    with pytest.raises(Unreachable, match=r"the candidate at .* did not answer"):
        nobody.answers(["good"])
    assert not nobody.is_answered("good")


@pytest.mark.parametrize("url", ["127.0.0.1:8400", "ftp://somewhere", ""])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(JobRefused, match="give one like"):
        HttpPredictor("candidate", url, "sentiment", DIGEST)
