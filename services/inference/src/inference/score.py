"""Scores texts on one thread of its own, so that health pages and timers never wait for a model.

Requests wait in a bounded queue: beyond it a request is refused at once, which costs its caller
less than a late answer. A request whose caller has gone leaves the queue. Which of those that wait
are scored together is `passes`' to say; the model's own parallelism is not here.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from inference.passes import Read, passes_of
from textmodels.predictions import Predictions, Predictor


class QueueFull(Exception):
    """As many requests wait as are allowed to."""


class QueueClosed(Exception):
    """The process is ending and scores nothing more."""


@dataclass(eq=False)
class _Request:
    texts: Sequence[str]
    answer: "asyncio.Future[Predictions]"
    since: float
    answers: list[Predictions | None] = field(default_factory=list)
    """One for each part, once it is read."""
    untaken: int = 0
    unanswered: int = 0
    over: bool = False
    """Nobody waits for it any longer, or a part of it failed."""


@dataclass(eq=False)
class _Part:
    request: _Request
    position: int
    read: Read

    @property
    def length(self) -> int:
        return self.read.length

    @property
    def since(self) -> float:
        return self.request.since


class ScoringQueue:
    """The requests that wait for one predictor, and the thread that serves them.

    `observe_wait` is told how long each waited, in seconds; `observe_pass` how many texts each pass
    held, and how many units of the engine's work, padding included (0: none is padded). What has
    waited for `longest_wait_seconds` goes before what is shorter.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - whom it serves, its limits, and what is told of it
        self,
        predictor: Predictor,
        limit: int,
        steady: Callable[[], float],
        observe_wait: Callable[[float], None],
        observe_pass: Callable[[int, int], None] = lambda _texts, _units: None,
        longest_wait_seconds: float = 1.0,
    ) -> None:
        self._passes = passes_of(predictor, longest_wait_seconds)
        self._labels = len(predictor.labels)
        self._limit = limit
        self._steady = steady
        self._observe_wait = observe_wait
        self._observe_pass = observe_pass
        self._waiting: dict[_Request, None] = {}
        """The requests of which a part is not with the predictor yet, in order of arrival."""
        self._arrived: list[_Request] = []
        self._parts: list[_Part] = []
        """The parts of those that were read; only the thread touches it."""
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
        request = _Request(texts, self._loop.create_future(), self._steady())
        with self._changed:
            if self._closed:
                raise QueueClosed
            if len(self._waiting) >= self._limit:
                raise QueueFull
            self._waiting[request] = None
            self._arrived.append(request)
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

    def _leave(self, request: _Request) -> None:
        with self._changed:
            request.over = True
            self._waiting.pop(request, None)

    def _work(self) -> None:
        while self._take_arrived():
            self._parts = [part for part in self._parts if not part.request.over]
            if self._parts:
                self._score(self._take_pass())
        self._loop.call_soon_threadsafe(self._ended.set)

    def _take_arrived(self) -> bool:
        """Wait until there is something to do, and read what has come; False at the end."""
        with self._changed:
            while not (self._arrived or self._parts or self._closed):
                self._changed.wait()
            arrived, self._arrived = self._arrived, []
        for request in arrived:
            if not request.over:
                self._read(request)
        return bool(arrived or self._parts)

    def _read(self, request: _Request) -> None:
        try:
            reads = self._passes.read(request.texts)
        except Exception as error:  # noqa: BLE001 - it belongs to the request, not the thread
            self._fail(request, error)
            return
        request.answers = [None] * len(reads)
        request.untaken = request.unanswered = len(reads)
        self._parts += [_Part(request, position, read) for position, read in enumerate(reads)]
        if not reads:
            self._answer(request)

    def _take_pass(self) -> list[_Part]:
        now = self._steady()
        chosen = self._passes.choose(self._parts, now)
        taken = set(chosen)
        self._parts = [part for part in self._parts if part not in taken]
        for request in dict.fromkeys(part.request for part in chosen):
            if request.untaken == len(request.answers):
                self._observe_wait(now - request.since)
            request.untaken -= sum(part.request is request for part in chosen)
            if not request.untaken:
                self._forget(request)
        texts = sum(part.read.texts for part in chosen)
        self._observe_pass(texts, len(chosen) * max(part.length for part in chosen))
        return chosen

    def _score(self, parts: list[_Part]) -> None:
        try:
            answers = self._passes.score([part.read.reading for part in parts])
        except Exception as error:  # noqa: BLE001 - it belongs to the request, not the thread
            if len(parts) == 1:
                self._fail(parts[0].request, error)
            else:  # whose fault it is only shows alone
                for part in parts:
                    self._score([part])
            return
        for part, answer in zip(parts, answers, strict=True):
            part.request.answers[part.position] = answer
            part.request.unanswered -= 1
        for request in dict.fromkeys(part.request for part in parts):
            if not request.over and not request.unanswered:
                self._answer(request)

    def _answer(self, request: _Request) -> None:
        parts = [part for part in request.answers if part is not None]
        predictions = (
            parts[0]
            if len(parts) == 1
            else Predictions.join(parts, range(len(parts)), self._labels)
        )
        self._forget(request)
        self._loop.call_soon_threadsafe(partial(_succeed, request.answer, predictions))

    def _fail(self, request: _Request, error: Exception) -> None:
        request.over = True
        self._forget(request)
        self._loop.call_soon_threadsafe(partial(_fail, request.answer, error))

    def _forget(self, request: _Request) -> None:
        with self._changed:
            self._waiting.pop(request, None)


def _succeed(answer: "asyncio.Future[Predictions]", predictions: Predictions) -> None:
    if not answer.done():
        answer.set_result(predictions)


def _fail(answer: "asyncio.Future[Predictions]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
