"""Scores texts on one thread of its own, so that health pages and timers never wait for a model.

Requests wait in a bounded queue: beyond it a request is refused at once, which costs its caller
less than a late answer. A request whose caller has gone leaves the queue. The model's own
parallelism and merging requests into batches are not here.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from textmodels.predictions import Predictions, Predictor


class QueueFull(Exception):
    """As many requests wait as are allowed to."""


class QueueClosed(Exception):
    """The process is ending and scores nothing more."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    texts: Sequence[str]
    answer: "asyncio.Future[Predictions]"
    since: float


class ScoringQueue:
    """The requests that wait for one predictor, and the thread that serves them in order."""

    def __init__(
        self,
        predictor: Predictor,
        limit: int,
        steady: Callable[[], float],
        observe_wait: Callable[[float], None],
    ) -> None:
        self._predictor = predictor
        self._limit = limit
        self._steady = steady
        self._observe_wait = observe_wait
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        # A daemon: a predictor that never returns must not keep the process from ending.
        threading.Thread(target=self._work, name="scorer", daemon=True).start()

    async def score(self, texts: Sequence[str]) -> Predictions:
        """Return the predictions for these texts; cancelling it gives the place up.

        Raises QueueFull, QueueClosed, or whatever the predictor raises.
        """
        request = _Waiting(texts, self._loop.create_future(), self._steady())
        with self._changed:
            if self._closed:
                raise QueueClosed
            if len(self._waiting) >= self._limit:
                raise QueueFull
            self._waiting.append(request)
            self._changed.notify()
        try:
            return await request.answer
        except asyncio.CancelledError:
            self._leave(request)
            raise

    async def close(self) -> None:
        """Let what waits be answered, refuse the rest, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await self._ended.wait()

    def _leave(self, request: _Waiting) -> None:
        with self._changed:
            if request in self._waiting:
                self._waiting.remove(request)

    def _work(self) -> None:
        while (request := self._next()) is not None:
            self._observe_wait(self._steady() - request.since)
            try:
                predictions = self._predictor.predict(request.texts)
            except Exception as error:  # noqa: BLE001 - it belongs to the request, not the thread
                deliver = partial(_fail, request.answer, error)
            else:
                deliver = partial(_succeed, request.answer, predictions)
            self._loop.call_soon_threadsafe(deliver)
        self._loop.call_soon_threadsafe(self._ended.set)

    def _next(self) -> _Waiting | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None


def _succeed(answer: "asyncio.Future[Predictions]", predictions: Predictions) -> None:
    if not answer.done():
        answer.set_result(predictions)


def _fail(answer: "asyncio.Future[Predictions]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
