"""Keeping what a cluster admits in step with the ledger: at once after an entry, and for ever.

Nothing waits for it: a promotion stands when the ledger has it, and where the cluster cannot be
told, it is tried again and `stale_seconds` grows.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from registry_proxy.ledger.admitted import admitted_versions
from registry_proxy.ledger.ports import (
    AdmittedUnavailable,
    AdmittedVersions,
    Clock,
    Ledger,
    LedgerUnavailable,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """Seconds between two looks at what nobody told us of, and between two tries."""

    look: float = 60.0
    first_retry: float = 0.5
    last_retry: float = 30.0


class AdmittedKeeper:
    """Projects the ledger onto the cluster's admitted versions while `run` is awaited."""

    def __init__(
        self, ledger: Ledger, admitted: AdmittedVersions, clock: Clock, pace: Pace | None = None
    ) -> None:
        self._ledger = ledger
        self._admitted = admitted
        self._clock = clock
        self._pace = pace or Pace()
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._behind_since: float | None = clock()
        self._written: Mapping[str, str] | None = None

    def wake(self) -> None:
        """Tell that the ledger has a new entry; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._note_change)

    def stale_seconds(self) -> float:
        """Return for how long the cluster has not had what the ledger says; 0 while it has."""
        return self._clock() - self._behind_since if self._behind_since is not None else 0.0

    async def run(self) -> None:
        """Project until cancelled."""
        self._loop = asyncio.get_running_loop()
        pause = self._pace.first_retry
        while True:
            self._changed.clear()
            if await self._project():
                pause = self._pace.first_retry
                await self._wait(self._pace.look)
            else:
                await self._wait(pause)
                pause = min(pause * 2, self._pace.last_retry)

    def _note_change(self) -> None:
        self._changed.set()
        if self._behind_since is None:
            self._behind_since = self._clock()

    async def _project(self) -> bool:
        began = self._clock()
        try:
            wanted = await asyncio.to_thread(self._wanted)
            if wanted != self._written:
                await self._put(wanted)
        except (AdmittedUnavailable, LedgerUnavailable) as unavailable:
            if self._behind_since is None:
                self._behind_since = began
            self._written = None
            _log.warning("admitted versions not written", extra={"reason": str(unavailable)})
            return False
        self._behind_since = began if self._changed.is_set() else None
        return True

    def _wanted(self) -> Mapping[str, str]:
        return admitted_versions(self._ledger.state(name) for name in self._ledger.models())

    async def _put(self, wanted: Mapping[str, str]) -> None:
        if await self._admitted.put(wanted):
            _log.info("admitted versions written", extra={"versions": len(wanted)})
        self._written = wanted

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            self._written = None  # nobody told us, so somebody else may have written: look
