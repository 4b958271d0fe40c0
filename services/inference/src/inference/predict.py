"""One request for predictions: from its texts to an answer, a count and events.

Whatever happens to a request it is counted once by its outcome, and reported. Which HTTP status an
outcome has is decided by the routes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from inference.events import Event
from inference.load import LoadedVersion
from inference.metrics import Metrics, Outcome, Places, Route
from inference.ports import Clock
from inference.score import QueueClosed, ScoringQueue
from textmodels.predictions import Answer, InlinePredictor, Predictions

Gone = Callable[[], Awaitable[None]]
"""Returns when the caller has closed the connection."""


ReportAnswers = Callable[[str, float, Sequence[str], Sequence[Answer]], None]
"""Takes a request's id, the seconds it took, its texts and their answers."""


class NotReady(Exception):
    """The version is not loaded yet, or no longer served."""


class CallerGone(Exception):
    """The caller closed the connection before its turn came."""


class EventReporter(Protocol):
    """Takes events and returns at once."""

    def report(self, event: Event) -> None:
        """Queue what happened to one request."""
        ...

    @property
    def report_answers(self) -> ReportAnswers:
        """Queues that a request without slices was answered just now."""
        ...


@dataclass
class Serving:
    """The version this process serves, from the moment it is ready."""

    version: LoadedVersion | None = None
    queue: ScoringQueue | None = None
    reporter: EventReporter | None = None
    inline: InlinePredictor | None = None
    """The version's predictor, where it is cheap enough to be asked on the event loop."""


class Exchange(msgspec.Struct, gc=False):
    """One request under way."""

    route: Route
    request_id: str
    slices: dict[str, str]
    started: float
    texts: Sequence[str] = ()
    answers: Sequence[Answer] | None = None


class Telling(NamedTuple):
    """Where an answer with outcome ok is counted, and whom it is reported to."""

    report: ReportAnswers | None
    cells: "memoryview[float]"
    places: Places
    edges: tuple[float, ...]


class Desk:
    """Answers requests with the version that is served."""

    def __init__(self, serving: Serving, metrics: Metrics, clock: Clock) -> None:
        self._serving = serving
        self._metrics = metrics
        self._clock = clock

    @property
    def version(self) -> LoadedVersion:
        """The version that answers; raises NotReady before it is loaded."""
        if self._serving.version is None:
            raise NotReady
        return self._serving.version

    @property
    def inline(self) -> InlinePredictor | None:
        """The predictor that may be asked on the event loop, once there is one."""
        return self._serving.inline

    @property
    def steady(self) -> Callable[[], float]:
        """The clock by which exchanges start."""
        return self._clock.steady

    def open(self, route: Route, request_id: str, slices: dict[str, str]) -> Exchange:
        """Begin an exchange; `close` must follow."""
        self._metrics.in_flight.inc()
        return Exchange(route, request_id, slices, self._clock.steady())

    async def predict(
        self, exchange: Exchange, texts: Sequence[str], gone: Gone
    ) -> Sequence[Answer]:
        """Score the texts unless the caller goes before that.

        Raises NotReady, QueueFull, CallerGone, or whatever the predictor raises.
        """
        if self._serving.queue is None:
            raise NotReady
        try:
            predictions = await _unless(gone, self._serving.queue.score(texts))
        except QueueClosed as closed:
            raise NotReady from closed
        exchange.texts, exchange.answers = texts, predictions.answers()
        return exchange.answers

    def close(self, exchange: Exchange, outcome: Outcome) -> None:
        """Count and report what became of an exchange that was opened."""
        self._metrics.in_flight.dec()
        self.settle(exchange, outcome)

    def settle(self, exchange: Exchange, outcome: Outcome) -> None:
        """Count and report what became of an exchange, opened or answered at once."""
        seconds = self._clock.steady() - exchange.started
        self._count(exchange, outcome, seconds)
        if self._serving.reporter is not None:
            event = Event(
                exchange.request_id,
                self._clock.wall(),
                outcome,
                seconds * 1000,
                exchange.slices,
                exchange.texts,
                exchange.answers,
            )
            self._serving.reporter.report(event)

    def telling(self, route: Route) -> Telling:
        """Return what `settle` does with an answer, for what does it without Python."""
        reporter, metrics = self._serving.reporter, self._metrics
        report = None if reporter is None else reporter.report_answers
        edges = tuple(metrics.request_seconds.edges)
        return Telling(report, metrics.cells, metrics.places(route), edges)

    def _count(self, exchange: Exchange, outcome: Outcome, seconds: float) -> None:
        metrics, answers, tokens = self._metrics, exchange.answers or (), 0
        for answer in answers:
            tokens += answer.tokens
        if outcome == "ok":
            metrics.observe_answer(exchange.route, seconds, len(answers), tokens)
            return
        metrics.requests[exchange.route, outcome].inc()
        metrics.texts.inc(len(answers))
        metrics.tokens.inc(tokens)


async def _unless(gone: Gone, scoring: Awaitable[Predictions]) -> Predictions:
    score, leave = asyncio.ensure_future(scoring), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({score, leave}, return_when=asyncio.FIRST_COMPLETED)
        if score.done():
            return score.result()
        raise CallerGone
    finally:
        score.cancel()
        leave.cancel()
