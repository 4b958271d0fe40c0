import asyncio

import pytest

from inference.event_queues import EventQueues
from inference.events import Event, Subject
from inference.metrics import Metrics
from inference.report import Reporter


class Scene:
    def __init__(self, sink, limit):
        self.sink = sink
        self.metrics = Metrics(150)
        self.paused = []
        subject = Subject("sentiment", "sha256:1", ("a", "b"), b"key")
        queues = EventQueues(subject, limit, lambda: 1.0, lambda: "batch")
        self.reporter = Reporter(sink, queues, self.metrics, self.pause)

    def report(self, count):
        for number in range(count):
            self.reporter.report(Event(f"request-{number}", 1.0, "rejected", 1.0, {}))

    async def pause(self, seconds):
        self.paused.append(seconds)

    def count(self, fate):
        sample = "isogloss_inference_events_total"
        return self.metrics.registry.get_sample_value(sample, {"fate": fate})


@pytest.fixture
def sink(fakes):
    return fakes.FakeEventSink()


def play(sink, acts, limit=10_000, close_seconds=30):
    async def run():
        scene = Scene(sink, limit)
        await acts(scene)
        await scene.reporter.close(close_seconds)
        return scene

    return asyncio.run(run())


def test_events_are_sent_without_being_asked_for(sink):
    async def acts(scene):
        scene.report(3)
        await sink.some.wait()

    scene = play(sink, acts)

    assert [batch["rows"] for batch in sink.taken] == [3]
    assert (scene.count("sent"), scene.count("dropped")) == (3, 0)


def test_no_batch_has_more_than_500_rows(sink):
    async def acts(scene):
        scene.report(1_100)

    scene = play(sink, acts)

    assert [batch["rows"] for batch in sink.taken] == [500, 500, 100]
    assert scene.count("sent") == 1_100


def test_a_full_queue_drops_and_counts(sink):
    async def acts(scene):
        scene.report(15)

    scene = play(sink, acts, limit=10)

    assert (scene.count("sent"), scene.count("dropped")) == (10, 5)


def test_a_request_whose_rows_do_not_all_fit_is_dropped_whole(sink, fakes):
    async def acts(scene):
        scene.report(9)
        texts = ["a good film"] * 2
        answers = fakes.FakePredictor().predict(texts).answers()
        scene.reporter.report(Event("request", 1.0, "ok", 1.0, {}, texts, answers))

    scene = play(sink, acts, limit=10)

    assert (scene.count("sent"), scene.count("dropped")) == (9, 2)


def test_a_batch_is_sent_again_as_the_same_batch(sink):
    sink.says = [503, 503]

    async def acts(scene):
        scene.report(2)

    scene = play(sink, acts)

    assert len(sink.offered) == 3
    assert sink.offered[0] == sink.offered[2]
    assert len(scene.paused) == 2
    assert (scene.count("sent"), scene.count("dropped")) == (2, 0)


def test_after_a_few_attempts_a_batch_is_dropped_and_the_next_is_sent(sink):
    sink.says = [503] * 4

    async def acts(scene):
        scene.report(500)
        scene.report(1)

    scene = play(sink, acts)

    assert len(sink.offered) == 5
    assert (scene.count("sent"), scene.count("dropped")) == (1, 500)


def test_a_refused_batch_is_not_sent_again(sink):
    sink.says = [422]

    async def acts(scene):
        scene.report(2)

    scene = play(sink, acts)

    assert len(sink.offered) == 1
    assert (scene.count("sent"), scene.count("dropped")) == (0, 2)


def test_closing_is_bounded_in_time_and_counts_what_is_lost():
    class Stuck:
        async def send(self, _batch):
            await asyncio.Event().wait()

    async def acts(scene):
        scene.report(700)

    scene = play(Stuck(), acts, close_seconds=0.05)

    assert (scene.count("sent"), scene.count("dropped")) == (0, 700)
