import asyncio
import time

import pytest

from inference.score import QueueClosed, QueueFull, ScoringQueue


@pytest.fixture
def predictor(fakes):
    return fakes.FakePredictor()


def play(scene, predictor, limit=2):
    """Run a scene with a queue, and close the queue after it."""

    async def run():
        waits = []
        queue = ScoringQueue(predictor, limit, time.perf_counter, waits.append)
        try:
            await scene(queue)
        finally:
            predictor.may_go_on.set()
            await queue.close()
        return waits

    return asyncio.run(run())


async def begin(queue, predictor, *texts):
    """Start one request a text; the first is with the predictor when the others come."""
    first = asyncio.create_task(queue.score([texts[0]]))
    await asyncio.to_thread(predictor.begun.acquire)
    others = [asyncio.create_task(queue.score([text])) for text in texts[1:]]
    await asyncio.sleep(0)
    return [first, *others]


def test_requests_are_scored_in_order_and_the_wait_is_observed(predictor):
    async def scene(queue):
        answers = await asyncio.gather(queue.score(["good"]), queue.score(["bad", "good"]))
        assert [list(a.label_indices) for a in answers] == [[1], [0, 1]]

    waits = play(scene, predictor)

    assert predictor.seen == [["good"], ["bad", "good"]]
    assert len(waits) == 2


def test_the_loop_runs_while_a_text_is_scored(predictor):
    async def scene(queue):
        predictor.may_go_on.clear()
        (scoring,) = await begin(queue, predictor, "good")
        await asyncio.sleep(0)
        assert not scoring.done()

    play(scene, predictor)


def test_a_request_beyond_the_limit_is_refused_at_once(predictor):
    async def scene(queue):
        predictor.may_go_on.clear()
        await begin(queue, predictor, "scored", "waits", "waits too")
        with pytest.raises(QueueFull):
            await queue.score(["too many"])

    play(scene, predictor)

    assert ["too many"] not in predictor.seen


def test_a_cancelled_request_leaves_its_place_and_is_never_scored(predictor):
    async def scene(queue):
        predictor.may_go_on.clear()
        _, leaving, _ = await begin(queue, predictor, "scored", "leaves", "stays")
        leaving.cancel()
        await asyncio.wait([leaving])
        asyncio.get_running_loop().call_soon(predictor.may_go_on.set)
        await queue.score(["comes instead"])

    play(scene, predictor)

    assert predictor.seen == [["scored"], ["stays"], ["comes instead"]]


def test_a_fault_belongs_to_its_request_and_not_to_the_next(predictor):
    async def scene(queue):
        predictor.fault = RuntimeError("odd text")
        with pytest.raises(RuntimeError, match="odd text"):
            await queue.score(["odd"])
        predictor.fault = None
        await queue.score(["good"])

    play(scene, predictor)


def test_closing_answers_what_waits_and_refuses_what_comes(predictor):
    async def scene(queue):
        predictor.may_go_on.clear()
        scoring = await begin(queue, predictor, "scored", "waits")
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        with pytest.raises(QueueClosed):
            await queue.score(["late"])
        predictor.may_go_on.set()
        await closing
        assert all(task.done() for task in scoring)

    play(scene, predictor)
