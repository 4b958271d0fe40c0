"""Reports predictions to the drift-monitor in the background, and never makes one wait.

Events are packed as they come, up to a limit; what does not fit, or cannot be delivered after a few
attempts, is dropped and counted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from inference.event_queues import EventQueues
from inference.events import Event
from inference.metrics import Metrics
from inference.ports import EventSink, EventsRefused, EventsUnavailable

_log = logging.getLogger(__name__)
_FLUSH_SECONDS = 0.25
_PAUSES_SECONDS = (0.1, 0.5, 2.0)  # between attempts: long enough for a restart to be over


class Reporter:
    """The events that wait to be sent, and the task that sends them."""

    def __init__(
        self,
        sink: EventSink,
        queues: EventQueues,
        metrics: Metrics,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._metrics = metrics
        self._pause = pause
        self._waiting = queues.open(self._notice, metrics.events_dropped.inc)
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run())
        self.report_answers = self._waiting.add_answers
        """What `EventReporter` says; the queue's own method, as C calls it for every answer."""

    def report(self, event: Event) -> None:
        """Queue an event's rows, or drop them when the queue is full; returns at once."""
        self._waiting.add(event)

    async def close(self, seconds: float) -> None:
        """Send what waits, for at most so many seconds, and drop the rest."""
        self._closing = True
        self._some.set()
        self._enough.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._task, seconds)
        while taken := self._waiting.take():
            self._metrics.events_dropped.inc(taken[1])

    def _notice(self) -> None:
        self._some.set()
        if self._waiting.full:
            self._enough.set()

    async def _run(self) -> None:
        while self._waiting.rows or not self._closing:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), _FLUSH_SECONDS)
            try:
                await self._send_next()
            except Exception:  # noqa: BLE001 - the task's edge: one batch is lost, not all after
                _log.exception("events dropped, by a fault of this service")

    async def _send_next(self) -> None:
        taken = self._waiting.take()
        if not self._closing:
            if not self._waiting.rows:
                self._some.clear()
            if not self._waiting.full:
                self._enough.clear()
        if taken is None:
            return
        batch, unsent = taken
        try:
            unsent -= await self._send(batch, unsent)
        finally:
            self._metrics.events_dropped.inc(unsent)

    async def _send(self, batch: bytes, rows: int) -> int:
        for seconds in (*_PAUSES_SECONDS, None):
            try:
                await self._sink.send(batch)
            except EventsUnavailable as unavailable:
                reason = str(unavailable)
            except EventsRefused as refused:
                reason = str(refused)
                break
            else:
                self._metrics.events_sent.inc(rows)
                return rows
            if seconds is not None:
                await self._pause(seconds)
        _log.warning("events dropped: %d of them, %s", rows, reason)
        return 0
