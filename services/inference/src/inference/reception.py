"""Takes in what is asked, whatever protocol it comes by, and sees that every call is counted.

A call ends in an answer or in a `Problem`; each protocol says the latter in its own way. What a
call asks, and how its answer looks, the protocol brings along.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from inference.dialects import Reader
from inference.metrics import Metrics, Outcome, Route
from inference.predict import CallerGone, Desk, Gone, NotReady
from inference.schemas import Labelled, TextRequest
from inference.score import QueueFull
from inference.settings import InferenceSettings
from servicekit.problems import Problem
from textmodels.explanations import Explainer, Explanation

# What a person reads; all others are summed in `rest`.
_FEATURES_SHOWN = 20

Rendered = TypeVar("Rendered")


@dataclass(frozen=True)
class Call(Generic[Rendered]):
    """One request for predictions."""

    route: Route
    request_id: str
    slice_named: Callable[[str], object]
    read: Callable[[], Awaitable[TextRequest]]
    """Returns what is asked; raises Problem."""
    render: Callable[[TextRequest, Labelled], Rendered]
    gone: Gone


class Reception:
    """Where calls come in and answers go out."""

    def __init__(self, desk: Desk, metrics: Metrics, settings: InferenceSettings) -> None:
        self.reader = Reader(settings)
        self._desk = desk
        self._metrics = metrics
        self.model = settings.model
        self._limit = settings.queue_limit
        self._explaining = 0
        # Not the queue's thread: a prediction does not wait for those who want to know why.
        self._explainer = ThreadPoolExecutor(1, "explainer")

    def require(self, model: str, version: str | None = None) -> None:
        """Raise Problem unless it is this model, and this version if one is named."""
        if model != self.model:
            said = f"The only model here is {self.model}."
            raise Problem(404, "unknown-model", "Unknown model", said)
        if version is None:
            return
        try:
            served = self._desk.version.digest
        except NotReady as error:
            raise not_ready() from error
        if version != served:
            said = f"The only version of {model} here is {served}."
            raise Problem(404, "unknown-version", "Unknown version", said)

    async def answer(
        self, call: Call[Rendered], model: str, version: str | None = None
    ) -> Rendered:
        """Have the texts scored; raises Problem. Every outcome is counted, also that of a fault."""
        slices = self.reader.slices(call.slice_named)
        exchange = self._desk.open(call.route, call.request_id, slices)
        with self._told(lambda outcome: self._desk.close(exchange, outcome)):
            self.require(model, version)
            asked = await call.read()
            exchange.slices = exchange.slices | self.reader.slices(asked.parameters.get)
            answers = await self._desk.predict(exchange, asked.texts, call.gone)
            served = self._desk.version
            labels = served.manifest.labels
            return call.render(asked, Labelled(model, served.digest, labels, answers))

    async def explain(
        self, model: str, read: Callable[[], Awaitable[TextRequest]]
    ) -> tuple[tuple[str, ...], list[Explanation]]:
        """Return the labels, and why each text gets its own; raises Problem.

        It is counted, but is no prediction: no event tells of it.
        """
        self._metrics.in_flight.inc()
        with self._told(self._count_explained):
            self.require(model)
            asked = await read()
            version = self._desk.version
            if not isinstance(version.predictor, Explainer):
                raise _unexplained(version.manifest.family)
            return version.manifest.labels, await self._explain(version.predictor, asked.texts)

    def close(self) -> None:
        """Explain nothing more."""
        self._explainer.shutdown(wait=False, cancel_futures=True)

    async def _explain(self, predictor: Explainer, texts: Sequence[str]) -> list[Explanation]:
        if self._explaining >= self._limit:
            raise QueueFull
        self._explaining += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._explainer, predictor.explain, texts, _FEATURES_SHOWN
            )
        finally:
            self._explaining -= 1

    def _count_explained(self, outcome: Outcome) -> None:
        self._metrics.in_flight.dec()
        self._metrics.requests["explain", outcome].inc()

    @contextmanager
    def _told(self, close: Callable[[Outcome], None]) -> Iterator[None]:
        """Turn what may happen to a call into a Problem, and tell its outcome once."""
        outcome: Outcome = "error"
        try:
            yield
            outcome = "ok"
        except Problem:
            outcome = "rejected"
            raise
        except NotReady as error:
            outcome = "overloaded"
            raise not_ready() from error
        except (QueueFull, CallerGone) as error:
            outcome = "overloaded"
            raise self._too_busy() from error
        except asyncio.CancelledError:
            outcome = "overloaded"  # over gRPC, a caller that has gone
            raise
        finally:
            close(outcome)

    def _too_busy(self) -> Problem:
        detail = f"{self._limit} requests wait already: send this one again, more slowly."
        return Problem(503, "overloaded", "Overloaded", detail, headers={"Retry-After": "1"})


def not_ready() -> Problem:
    """Return what is said while the version is not loaded, or no longer served."""
    detail = "The model is not served here now; /readyz says why."
    return Problem(503, "not-ready", "Not ready", detail, headers={"Retry-After": "1"})


def _unexplained(family: str) -> Problem:
    detail = (
        f"This version, of the family {family}, has no exact explanation: only the compiled form "
        "of tfidf_linear, whose decision is a sum, has one."
    )
    return Problem(404, "no-explanation", "No explanation", detail)
