"""Reports predictions to the drift-monitor in the background, and never makes one wait.

Rows queue up to a limit; what does not fit, or cannot be delivered after a few attempts, is
dropped and counted.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from inference.events import ROWS_LIMIT, BatchWriter, Event, Row
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
        writer: BatchWriter,
        limit: int,
        metrics: Metrics,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._writer = writer
        self._limit = limit
        self._metrics = metrics
        self._pause = pause
        self._waiting: deque[Row] = deque()
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._closing = False
        self._task = asyncio.create_task(self._run())

    def report(self, event: Event) -> None:
        """Queue an event's rows, or drop them when the queue is full; returns at once."""
        waiting = self._waiting
        if len(waiting) + event.rows > self._limit:
            self._metrics.events_dropped.inc(event.rows)
            return
        waiting.extend(self._writer.rows(event))
        if not self._some.is_set():
            self._some.set()
        if len(waiting) >= ROWS_LIMIT and not self._enough.is_set():
            self._enough.set()

    async def close(self, seconds: float) -> None:
        """Send what waits, for at most so many seconds, and drop the rest."""
        self._closing = True
        self._some.set()
        self._enough.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._task, seconds)
        self._metrics.events_dropped.inc(len(self._waiting))
        self._waiting.clear()

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), _FLUSH_SECONDS)
            rows = self._take()
            try:
                await self._send_all(rows)
            except Exception:  # noqa: BLE001 - the task's edge: one batch is lost, not all after
                _log.exception("events dropped: %d of them, by a fault of this service", len(rows))

    def _take(self) -> list[Row]:
        rows = [self._waiting.popleft() for _ in range(min(ROWS_LIMIT, len(self._waiting)))]
        if not self._closing:
            if not self._waiting:
                self._some.clear()
            if len(self._waiting) < ROWS_LIMIT:
                self._enough.clear()
        return rows

    async def _send_all(self, rows: list[Row]) -> None:
        unsent = len(rows)
        if not unsent:
            return
        try:
            for batch, count in self._writer.write(rows):
                unsent -= await self._send(batch, count)
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
