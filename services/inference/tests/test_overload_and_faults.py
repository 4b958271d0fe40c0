"""The prediction routes around a predictor that is slow or fails."""

import asyncio
import json
import time

import httpx
import pytest
from fastapi import FastAPI

from inference.envelope import Envelope
from inference.load import LoadedVersion
from inference.metrics import Metrics
from inference.ports import Clock
from inference.predict import Desk, Serving
from inference.reception import Reception
from inference.routes import install_prediction_routes
from inference.score import ScoringQueue
from inference.settings import InferenceSettings
from servicekit.problems import install_problem_pages
from textmodels.artifacts import read_manifest


class Scene:
    def __init__(self, artifact, predictor):
        settings = InferenceSettings(model="sentiment", artifact=str(artifact), slices=("domain",))
        clock = Clock(wall=lambda: 1_000.0, steady=time.perf_counter)
        self.predictor, self.metrics = predictor, Metrics(150)
        self.serving, self.events = Serving(reporter=self), []
        self._version = LoadedVersion(read_manifest(artifact), predictor)
        api = FastAPI()
        install_problem_pages(api)
        desk = Desk(self.serving, self.metrics, clock)
        install_prediction_routes(api, Reception(desk, self.metrics, settings), settings)
        self.app = Envelope(api, "sha256:0", lambda: "minted")

    def report(self, event):
        self.events.append(event)

    def become_ready(self, limit):
        observe = self.metrics.queue_seconds.observe
        self.serving.queue = ScoringQueue(self.predictor, limit, time.perf_counter, observe)
        self.serving.version = self._version

    async def post(self, path, body, **headers):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://inference") as http:
            return await http.post(path, json=body, headers=headers)

    async def predict(self, text="good", **headers):
        return await self.post("/predict", {"text": text}, **headers)

    async def begin(self, count):
        """Start requests, of which one is with the predictor and the others wait."""
        self.predictor.may_go_on.clear()
        first = asyncio.create_task(self.predict())
        await asyncio.to_thread(self.predictor.begun.acquire)
        others = [asyncio.create_task(self.predict()) for _ in range(count - 1)]
        await self.see_waiting(count - 1)
        return [first, *others]

    async def see_waiting(self, count):
        while self.count("queue") < count:  # noqa: ASYNC110 - a deque tells nobody
            await asyncio.sleep(0)

    def count(self, what):
        if what == "queue":
            return len(self.serving.queue._waiting)
        sample = "isogloss_inference_requests_total"
        labels = {"route": "predict", "outcome": what}
        return self.metrics.registry.get_sample_value(sample, labels)

    def play(self, acts, limit=1):
        async def run():
            self.become_ready(limit)
            try:
                await acts()
            finally:
                self.predictor.may_go_on.set()
                await self.serving.queue.close()

        asyncio.run(run())


@pytest.fixture
def scene(artifact, fakes):
    return Scene(artifact, fakes.FakePredictor())


def test_a_full_queue_is_503_with_retry_after_and_counts_as_overloaded(scene):
    async def acts():
        started = await scene.begin(2)
        refused = await scene.predict()
        scene.predictor.may_go_on.set()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["type"] == "urn:isogloss:problem:overloaded"
        assert [(await each).status_code for each in started] == [200, 200]

    scene.play(acts)

    assert (scene.count("ok"), scene.count("overloaded"), scene.count("error")) == (2, 1, 0)


def test_a_caller_that_goes_away_while_waiting_frees_its_place(scene):
    async def acts():
        (scored,) = await scene.begin(1)
        left = asyncio.Event()
        asked = iter([{"type": "http.request", "body": json.dumps({"text": "gone"}).encode()}])

        async def receive():
            message = next(asked, None)
            if message is None:
                await left.wait()
            return message or {"type": "http.disconnect"}

        async def send(_message):
            """Nobody listens."""

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        scope |= {"query_string": b""}
        waiting = asyncio.create_task(scene.app(scope, receive, send))
        await scene.see_waiting(1)
        left.set()
        await waiting
        assert scene.count("queue") == 0
        scene.predictor.may_go_on.set()
        await scored  # at the loop's end it would be cancelled, and count as one that went away

    scene.play(acts)

    assert ["gone"] not in scene.predictor.seen
    assert scene.count("overloaded") == 1


def test_a_fault_of_the_predictor_is_500_without_its_words(scene):
    async def acts():
        scene.predictor.fault = RuntimeError("Ada's secret text")
        answer = await scene.predict()
        assert answer.status_code == 500
        assert answer.headers["x-request-id"] == "minted"
        assert "secret" not in answer.text

    scene.play(acts)

    assert scene.count("error") == 1
    assert [(event.outcome, event.answers) for event in scene.events] == [("error", None)]


def test_before_the_version_is_loaded_the_answer_is_503_with_retry_after(scene):
    answer = asyncio.run(scene.predict())

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:isogloss:problem:not-ready"


def test_every_request_gives_an_event_with_its_predictions(scene):
    async def acts():
        await scene.predict("good", **{"x-request-id": "one"})
        body = {"instances": ["good", "bad"]}
        await scene.post("/v1/models/sentiment:predict", body, **{"x-request-id": "two"})

    scene.play(acts)

    events = scene.events
    assert [(event.request_id, list(event.texts)) for event in events] == [
        ("one", ["good"]),
        ("two", ["good", "bad"]),
    ]
    labels = [[answer.label_index for answer in event.answers] for event in events]
    assert labels == [[1], [1, 0]]
    assert {event.time for event in events} == {1_000.0}
    assert all(event.latency_ms > 0 for event in events)


def test_only_named_slices_with_plain_values_are_kept(scene):
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["good"]}
    infer = {"inputs": [tensor], "parameters": {"domain": "books", "tier": "gold"}}

    async def acts():
        await scene.predict(**{"x-slice-domain": "films", "x-slice-tier": "gold"})
        await scene.predict(**{"x-slice-domain": "x" * 65})
        await scene.post("/v2/models/sentiment/infer", infer)

    scene.play(acts)

    assert [event.slices for event in scene.events] == [
        {"domain": "films"},
        {},
        {"domain": "books"},
    ]


def test_a_refused_request_gives_an_event_without_text(scene):
    async def acts():
        await scene.predict("")

    scene.play(acts)

    (event,) = scene.events
    assert (event.outcome, list(event.texts), event.answers) == ("rejected", [], None)
