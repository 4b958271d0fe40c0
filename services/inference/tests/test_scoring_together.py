"""Texts of several requests in one pass, on the scoring thread."""

import asyncio
import threading
import time

import numpy as np
import pytest

from inference.score import QueueFull, ScoringQueue
from textmodels.predictions import Predictions


class FakeEncoder:
    """A BatchPredictor of words: a text's units are its words, its answer whether one is good."""

    labels = ("negative", "positive")
    family = "fake"
    inline = False
    units_together = 8

    def __init__(self):
        self.passes = []
        self.begun = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def read(self, text):
        if text == "unreadable":
            raise ValueError(text)
        return Words(text.split())

    def score(self, readings):
        self.passes.append([" ".join(reading.ids) for reading in readings])
        self.begun.release()
        assert self.may_go_on.wait(30)
        if any("odd" in reading.ids for reading in readings):
            raise RuntimeError("odd text")
        good = np.array(["good" in reading.ids for reading in readings], np.int64)
        n = len(readings)
        return Predictions(
            label_indices=good,
            scores=np.stack([1 - good, good], axis=1).astype(np.float32),
            tokens=np.array([len(reading.ids) for reading in readings], np.int32),
            out_of_vocabulary=np.zeros(n, np.float32),
            truncated=np.zeros(n, np.bool_),
            projection=np.ones((n, 64), np.float16),
        )


class Words:
    def __init__(self, ids):
        self.ids = ids


@pytest.fixture
def encoder():
    return FakeEncoder()


def play(scene, encoder, limit=8):
    """Run a scene with a queue, and close the queue after it; returns what passes it told of."""

    async def run():
        told = []
        queue = ScoringQueue(
            encoder,
            limit,
            time.perf_counter,
            lambda _seconds: None,
            lambda texts, units: told.append((texts, units)),
            longest_wait_seconds=60,
        )
        try:
            await scene(queue)
        finally:
            encoder.may_go_on.set()
            await queue.close()
        return told

    return asyncio.run(run())


async def begin(queue, encoder, *requests):
    """Start requests; the first is with the encoder when the others come."""
    encoder.may_go_on.clear()
    first = asyncio.create_task(queue.score(requests[0]))
    await asyncio.to_thread(encoder.begun.acquire)
    others = [asyncio.create_task(queue.score(texts)) for texts in requests[1:]]
    await asyncio.sleep(0)
    return [first, *others]


def test_what_waits_is_scored_together_by_length_and_answered_apart(encoder):
    async def scene(queue):
        started = await begin(queue, encoder, ["first"], ["good a b c d e", "bad"], ["good x"])
        encoder.may_go_on.set()
        answers = await asyncio.gather(*started)
        assert [list(answer.label_indices) for answer in answers] == [[0], [1, 0], [1]]
        assert [list(answer.tokens) for answer in answers] == [[1], [6, 1], [2]]

    told = play(scene, encoder)

    assert encoder.passes == [["first"], ["bad", "good x"], ["good a b c d e"]]
    assert told == [(1, 1), (2, 4), (1, 6)]


def test_a_cancelled_request_is_dropped_with_all_its_texts(encoder):
    async def scene(queue):
        started = await begin(queue, encoder, ["first"], ["leaves", "leaves too"], ["stays"])
        started[1].cancel()
        await asyncio.wait([started[1]])
        encoder.may_go_on.set()
        await asyncio.gather(started[0], started[2])

    play(scene, encoder)

    assert encoder.passes == [["first"], ["stays"]]


def test_a_request_keeps_its_place_until_its_last_text_is_taken(encoder):
    async def scene(queue):
        long = ["a b c d e f"] * 3
        await begin(queue, encoder, ["first"], long)
        with pytest.raises(QueueFull):
            await queue.score(["too many"])

    play(scene, encoder, limit=1)


def test_a_fault_is_of_the_request_whose_text_it_was(encoder):
    async def scene(queue):
        started = await begin(queue, encoder, ["first"], ["good"], ["odd"], ["unreadable"])
        encoder.may_go_on.set()
        first, good, odd, unreadable = await asyncio.gather(*started, return_exceptions=True)
        assert list(first.label_indices) == [0]
        assert list(good.label_indices) == [1]
        assert isinstance(odd, RuntimeError)
        assert isinstance(unreadable, ValueError)

    play(scene, encoder)


def test_no_texts_are_answered_without_a_pass(encoder):
    async def scene(queue):
        answer = await queue.score([])
        assert answer.scores.shape == (0, 2)

    play(scene, encoder)

    assert encoder.passes == []
