"""The two things that go on behind the routes: counting what arrived, and testing Windows.

Both work in threads, one step at a time, and end with the step they are in. While the database
refuses, nothing is lost: batches stay in the queue and the journal, and readiness says why.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable

from drift_monitor.count import Rules, close_windows, count_records
from drift_monitor.intake import Intake
from drift_monitor.judge import Judging, judge_windows
from drift_monitor.metrics import Metrics
from drift_monitor.mirrored import Settled, span_of
from drift_monitor.monitors import Monitor
from drift_monitor.ports import Journal, Store, StoreUnavailable
from drift_monitor.shelf import Shelf
from drift_monitor.watch_quality import Promise, assess, close_cohorts
from drift_monitor.windows import Times
from servicekit.process import Health

# Batches per transaction: it touches each Slice once, and a commit costs as much as counting one or
# two; with so many it holds others up for a third of a second.
_RECORDS = 50
_TICK_SECONDS = 1.0
# Renewed every tick; a replica that hangs for longer finds its Windows taken (see DriftRows).
_LEASE_SECONDS = 15.0
# Tallies read every answer of a pairing, and old rows go by the minute.
_TICKS_BETWEEN_TALLIES = 15
_TICKS_BETWEEN_FORGETTING = 60

_log = logging.getLogger(__name__)

Clock = Callable[[], float]


class Counting:
    """Moves batches from the queue into the tables."""

    def __init__(
        self, intake: Intake, journal: Journal, store: Store, shelf: Shelf, rules: Rules
    ) -> None:
        self._intake = intake
        self._journal = journal
        self._store = store
        self._shelf = shelf
        self._rules = rules

    async def step(self, metrics: Metrics) -> None:
        """Wait for batches and count the oldest; raises StoreUnavailable."""
        await self._intake.wait()
        records = self._intake.first(_RECORDS)
        if records:
            counted = await asyncio.to_thread(
                count_records, records, self._store, self._shelf, self._rules
            )
            self._intake.done(records)
            self._journal.forget(records[-1].seq)
            metrics.observe_counted(counted)
        metrics.waiting.set(len(self._intake))


class Testing:
    """Closes and tests Windows, and keeps the gauges and the tables' size up to date."""

    def __init__(  # noqa: PLR0913 - all that the periodic work reads
        self,
        intake: Intake,
        store: Store,
        times: Times,
        *,
        judging: Judging,
        promise: Promise,
        clock: Clock,
    ) -> None:
        self._promise = promise
        self._intake = intake
        self._store = store
        self._judging = judging
        self._times = times
        self._clock = clock
        self._ticks = 0
        self._stopped = False

    def stop(self) -> None:
        """End the present step early; Windows not yet tested are tested after the next start."""
        self._stopped = True

    async def step(self, metrics: Metrics) -> None:
        """Do one tick's work; raises StoreUnavailable."""
        now = self._clock()
        counted_until = self._intake.counted_until(now)
        decides = await asyncio.to_thread(self._may_decide, now)
        metrics.decides.set(decides)
        if decides:
            await asyncio.to_thread(self._decide, now, counted_until, metrics)
        await asyncio.to_thread(self._show_monitors, metrics)
        if self._ticks % _TICKS_BETWEEN_TALLIES == 0:
            lag = self._times.pair_lag_seconds
            settled = Settled(counted_until - lag, lag)
            await asyncio.to_thread(self._show_pairings, settled, metrics)
            await asyncio.to_thread(self._show_quality, now, metrics)
        if decides and self._ticks % _TICKS_BETWEEN_FORGETTING == 0:
            await asyncio.to_thread(self._forget, now)
        self._ticks += 1

    def _may_decide(self, now: float) -> bool:
        with self._store.begin() as transaction:
            return transaction.progress.may_decide(now, now + _LEASE_SECONDS)

    def _decide(self, now: float, counted_until: float, metrics: Metrics) -> None:
        close_windows(self._store, counted_until, self._times.window_seconds)
        for finding in judge_windows(self._store, now, self._judging, self._may_go_on):
            signal = (finding.model, finding.digest, finding.slice, finding.detector)
            metrics.findings.labels(*signal, finding.severity).inc()
            _log.warning("drift of %s %s: %s", finding.model, finding.digest, finding.text)
        quiet_until = counted_until - self._times.window_seconds
        close_cohorts(self._store, self._judging.shelf, quiet_until, self._promise)

    def _show_monitors(self, metrics: Metrics) -> None:
        with self._store.read() as transaction:
            for version in transaction.registered.versions():
                for slice_name, monitors in transaction.drift.monitors(version.digest).items():
                    for detector, monitor in monitors.items():
                        signal = (version.model, version.digest, slice_name, detector)
                        metrics.observe_monitor(signal, monitor)
                    self._note_pace(version.digest, slice_name, monitors.values())

    def _note_pace(self, version: str, slice_name: str, monitors: Iterable[Monitor]) -> None:
        last = next((monitor.last for monitor in monitors), None)
        if last is not None:
            self._judging.pace.learn(version, slice_name, last, self._times.window_seconds)

    def _may_go_on(self) -> bool:
        return not self._stopped

    def _show_pairings(self, settled: Settled, metrics: Metrics) -> None:
        with self._store.read() as transaction:
            for pairing in transaction.registered.pairings():
                if pairing.until is None:
                    span = span_of(pairing, None, settled)
                    counted = transaction.answers.tally(pairing, span)
                    metrics.observe_pairing(pairing, counted.all)

    def _show_quality(self, now: float, metrics: Metrics) -> None:
        times = (now - self._promise.quality_seconds, now)
        with self._store.read() as transaction:
            sending = transaction.buckets.versions_since(times[0])
            for version in transaction.registered.versions():
                reference = None
                if version.digest in sending:
                    reference = self._judging.shelf.find(version.digest, version.labels)
                if reference is not None:
                    for known in assess(transaction, version, reference, times, self._promise):
                        metrics.quality.observe((version.model, version.digest), known)

    def _forget(self, now: float) -> None:
        with self._store.begin() as transaction:
            transaction.forget(now, self._times.retention_seconds)


class Background:
    """Runs both until `stop`."""

    def __init__(
        self, counting: Counting, testing: Testing, intake: Intake, *, drains: bool = False
    ) -> None:
        """`drains`: count what waits before the end, as the journal may end with the pod."""
        self._drains = drains
        self._counting = counting
        self._testing = testing
        self._intake = intake
        self._stopping = asyncio.Event()

    async def run(self, metrics: Metrics, health: Health) -> None:
        """Count and test until `stop`; an error nobody foresaw stops the process."""

        async def count() -> None:
            while not self._stopping.is_set() or (self._drains and len(self._intake)):
                await self._attempt("counting", self._counting.step(metrics), health)

        async def test() -> None:
            while not self._stopping.is_set():
                await self._attempt("testing", self._testing.step(metrics), health)
                await self._pause()

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(count())
                tasks.create_task(test())
        except Exception:  # noqa: BLE001 - the edge of this process beside uvicorn
            _log.exception("the work behind the routes failed")
            health.fail("The drift monitor stopped on an error; its log says which.")

    def stop(self) -> None:
        """End after the present steps; what is queued stays in the journal."""
        self._stopping.set()
        self._testing.stop()
        self._intake.wake()

    async def _attempt(self, what: str, step: Awaitable[None], health: Health) -> None:
        try:
            await step
        except StoreUnavailable as error:
            _log.error("%s; trying again", error)
            health.mark(what, str(error))
            self._drains = False
            await self._pause()
        else:
            health.mark(what, None)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)
