"""HTTP for KServe's logger: a way in for runtimes that report no events, off unless it has a key.

The logger sends no token, so the key is part of the address that an InferenceService's
`predictor.logger.url` names.
"""

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request

from drift_monitor.intake import Intake, Taken
from drift_monitor.logged import Join, LogRefused, read_half
from drift_monitor.metrics import Metrics
from drift_monitor.ports import JournalRefused
from servicekit.problems import Problem, problem_answers

_FLUSH_SECONDS = 1.0
MAX_BYTES = 2 * 1024 * 1024
"""A predictor takes a mebibyte; an answer may hold every score."""


class Logger:
    """What came of the logger and is on its way to the intake; on the event loop only."""

    def __init__(
        self, key: str, intake: Intake, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._key = key
        self._intake = intake
        self._metrics = metrics
        self._clock = clock
        self._join = Join()

    def knows(self, key: str) -> bool:
        """Say whether this is the key."""
        return hmac.compare_digest(key.encode(), self._key.encode())

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        """Measure and join one event; raises LogRefused."""
        self._join.add(*read_half(headers, body, self._clock()))

    def flush(self) -> None:
        """Hand whole rows to the intake; what it sheds is lost: nothing is sent twice."""
        now = self._clock()
        for batch in self._join.take(now, secrets.token_hex(8)):
            try:
                taken, rows = self._intake.take(batch, now)
            except JournalRefused:
                self._metrics.batches.labels("unwritten").inc()
                continue
            self._metrics.batches.labels(taken.value).inc()
            if taken is Taken.SHED:
                self._metrics.dropped.labels("queue-full").inc(rows)
        self._metrics.dropped.labels("unjoined").inc(self._join.dropped)
        self._join.dropped = 0

    async def run(self) -> None:
        """Flush every second until it is cancelled."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self.flush()


@asynccontextmanager
async def flushing(logger: Logger | None) -> AsyncIterator[None]:
    """Flush while the app serves, and once more at its end; nothing without a logger."""
    running = asyncio.create_task(logger.run()) if logger else None
    yield
    if logger and running:
        running.cancel()
        logger.flush()


def logger_router(logger: Logger | None) -> APIRouter:
    """Return the route for one logger; none without."""
    router = APIRouter()
    if logger is None:
        return router

    @router.post("/v1/logger/{key}", responses=problem_answers(404, 413, 422))
    async def take_logged(key: str, request: Request) -> dict[str, str]:
        """Take a CloudEvent of KServe's logger: a request or a response."""
        if not logger.knows(key):
            raise Problem(
                404, "unknown-key", "Unknown key", "The logger's address has another key."
            )
        try:
            logger.take(request.headers, await request.body())
        except LogRefused as refused:
            raise Problem(422, "invalid-event", "Invalid event", str(refused)) from refused
        return {"taken": "yes"}

    return router
