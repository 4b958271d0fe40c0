"""Telling every receiver of every entry: at least once, in order for each model, for ever.

Nothing waits for it. A receiver that refuses an event gets no later one of that model until it
takes it; one that does not answer gets none at all; both are tried again, ever more seldom. Of
several processes one tells a receiver, under a lease.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lifecycle.ledger import LedgerEntry
from registry_proxy.events.messages import message_of
from registry_proxy.events.ports import (
    Clock,
    Outbox,
    OutboxUnavailable,
    Post,
    Receiver,
    ReceiverSilent,
)

_log = logging.getLogger(__name__)
_BATCH = 100


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks at what other processes wrote, and between two tries."""

    look: float = 2.0
    first_retry: float = 1.0
    last_retry: float = 300.0
    lease: float = 30.0
    """Must be more than twice what one try may take, so that two never tell at once."""


class Retry:
    """When something that failed is tried again."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._pause = 0.0
        self.at = 0.0

    def failed(self, now: float) -> None:
        """Wait twice as long as the last time."""
        wanted = self._pause * 2 or self._pace.first_retry
        self._pause = min(wanted, self._pace.last_retry)
        self.at = now + self._pause


@dataclass(frozen=True)
class Told:
    """Who hears how it went with a receiver: `delivered`, `refused` or `silent`, and the age of
    the oldest entry that it does not know.
    """

    count: Callable[[str, str], None]
    oldest: Callable[[str, float], None]


@dataclass(frozen=True)
class Means:
    """What a teller works with; `name` is this process's own among all."""

    name: str
    outbox: Outbox
    post: Post
    clock: Clock
    told: Told
    pace: Pace


class Teller:
    """Tells one receiver while `run` is awaited."""

    def __init__(self, receiver: Receiver, means: Means) -> None:
        self.receiver = receiver
        self._means = means
        self._wake = asyncio.Event()
        self._silence: Retry | None = None
        self._refusals: dict[str, Retry] = {}

    def wake(self) -> None:
        """Tell that there may be a new entry."""
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        joined = False
        while True:
            self._wake.clear()
            try:
                if not joined:
                    await asyncio.to_thread(self._means.outbox.join, self.receiver)
                    joined = True
                more = await self._pass()
            except OutboxUnavailable as unavailable:
                _log.warning("events wait", extra={"reason": str(unavailable)})
                more = False
            if not more:
                await self._rest()

    async def _pass(self) -> bool:
        """Tell what can be told now; True where there may be more."""
        name, now = self.receiver.name, self._means.clock()
        oldest = await asyncio.to_thread(self._means.outbox.pending, name, (), 1)
        self._means.told.oldest(name, now - oldest[0].time if oldest else 0.0)
        if not oldest or (self._silence and now < self._silence.at):
            return False
        if not await self._lease():
            return False
        blocked = [model for model, retry in self._refusals.items() if now < retry.at]
        entries = await asyncio.to_thread(self._means.outbox.pending, name, blocked, _BATCH)
        return await self._tell_all(entries) and len(entries) == _BATCH

    async def _lease(self) -> bool:
        now, means = self._means.clock(), self._means
        until = now + means.pace.lease
        return await asyncio.to_thread(
            means.outbox.lease, self.receiver.name, means.name, until, now
        )

    async def _tell_all(self, entries: Sequence[LedgerEntry]) -> bool:
        refused: set[str] = set()
        leased = self._means.clock()
        for entry in entries:
            if entry.model in refused:
                continue
            if self._means.clock() - leased > self._means.pace.lease / 2:
                if not await self._lease():
                    return False
                leased = self._means.clock()
            outcome = await self._tell(entry)
            self._means.told.count(self.receiver.name, outcome)
            if outcome == "silent":
                return False
            if outcome == "refused":
                refused.add(entry.model)
        return True

    async def _tell(self, entry: LedgerEntry) -> str:
        name, now = self.receiver.name, self._means.clock()
        try:
            status = await self._means.post.send(
                self.receiver.url, message_of(entry, self.receiver, now)
            )
        except ReceiverSilent as silent:
            self._silence = self._silence or Retry(self._means.pace)
            self._silence.failed(self._means.clock())
            _log.warning("receiver silent", extra={"receiver": name, "reason": str(silent)})
            return "silent"
        self._silence = None
        if 200 <= status < 300:
            await asyncio.to_thread(self._means.outbox.told, name, entry)
            self._refusals.pop(entry.model, None)
            return "delivered"
        self._refusals.setdefault(entry.model, Retry(self._means.pace)).failed(now)
        _log.warning("event refused", extra={"receiver": name, "status": status, "seq": entry.seq})
        return "refused"

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), self._means.pace.look)
        except TimeoutError:
            return
