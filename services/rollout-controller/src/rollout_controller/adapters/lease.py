"""The Leadership port on a Lease: of several controllers one acts.

A replica leads until a deadline that each renewal moves on, and that lies before the moment at
which others may take the Lease over; what it does is cancelled at that deadline, whether or not
the API server answers. Others take over only after they saw the very same record for a whole
duration by their own clock, so no two machines' clocks are compared. The route's revision and the
ledger's sequence numbers guard what is already on its way when a lead ends.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollout_controller.ports import NotLeading
from servicekit.kubernetes_api import KubernetesApi, KubernetesFault, ObjectMissing, grouped

_VERSION = "coordination.k8s.io/v1"
_RELEASE_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseTimes:
    """In seconds: a record that stays unchanged for `duration` is abandoned; who could not renew
    for `deadline` leads no longer; each tries again after `retry`. The proportions are those of
    Kubernetes' own controllers.
    """

    duration: int = 15
    deadline: float = 10.0
    retry: float = 2.0


@dataclass(frozen=True)
class LeasePlace:
    """Which Lease it is, and under which name this replica holds it (its pod's)."""

    namespace: str
    name: str
    holder: str


class Lease:
    """Implements `ports.Leadership`; `run` keeps it, and gives it back when cancelled."""

    def __init__(
        self,
        api: KubernetesApi,
        place: LeasePlace,
        times: LeaseTimes = LeaseTimes(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._place = place
        self._times = times
        self._clock = clock
        self._path = grouped(_VERSION, place.namespace, "leases", place.name)
        self._until = -math.inf
        self._limits: set[asyncio.Timeout] = set()
        self._seen: tuple[Mapping[str, Any], float] = ({}, 0.0)

    @property
    def leads(self) -> bool:
        """Tell whether this replica may act now."""
        return self._clock() < self._until

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[None]:
        """Run the block, and cancel it when the lead ends."""
        if not self.leads:
            raise NotLeading(f"another replica holds the Lease {self._place.name}")
        limit = asyncio.timeout(self._until - self._clock())
        try:
            async with limit:
                self._limits.add(limit)
                yield
        except TimeoutError as error:
            if limit.expired():
                raise NotLeading(f"the Lease {self._place.name} was lost while acting") from error
            raise
        finally:
            self._limits.discard(limit)

    async def run(self) -> None:
        """Take and keep the Lease until cancelled, then give it back."""
        try:
            while True:
                await self.attempt()
                await asyncio.sleep(self._times.retry)
        finally:
            await self._give_back()

    async def attempt(self) -> None:
        """Renew the Lease, take it where it is free or abandoned, or see that another has it."""
        led, started = self.leads, self._clock()
        try:
            async with asyncio.timeout(self._times.deadline / 2):
                held = await self._hold()
        except (KubernetesFault, TimeoutError) as error:
            _log.warning("lease not renewed", extra={"reason": repr(error)})
            return
        self._lead_until(started + self._times.deadline if held else -math.inf)
        if led != self.leads:
            _log.info("leads" if self.leads else "leads no longer", extra={"lease": self._path})

    async def _hold(self) -> bool:
        try:
            held = await self._api.get(self._path)
        except ObjectMissing:
            metadata = {"name": self._place.name}
            lease = {"apiVersion": _VERSION, "kind": "Lease", "metadata": metadata}
            leases = grouped(_VERSION, self._place.namespace, "leases")
            await self._api.create(leases, {**lease, "spec": self._record({})})
            return True
        before = held.get("spec", {})
        if not self._may_take(before):
            return False
        await self._write(held, self._record(before))
        return True

    def _may_take(self, record: Mapping[str, Any]) -> bool:
        if record.get("holderIdentity") in (None, "", self._place.holder):
            return True
        seen, since = self._seen
        if record != seen:
            self._seen = (record, self._clock())
            return False
        duration = float(record.get("leaseDurationSeconds", self._times.duration))
        return self._clock() - since >= duration

    def _record(self, before: Mapping[str, Any]) -> dict[str, Any]:
        ours = before.get("holderIdentity") == self._place.holder
        now = _now()
        return {
            "holderIdentity": self._place.holder,
            "leaseDurationSeconds": self._times.duration,
            "acquireTime": before.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", -1) + (not ours),
        }

    async def _write(self, held: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        version = {"resourceVersion": held["metadata"]["resourceVersion"]}
        await self._api.merge(self._path, {"metadata": version, "spec": record})

    def _lead_until(self, until: float) -> None:
        self._until = until
        end = asyncio.get_running_loop().time() + max(0.0, until - self._clock())
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(end)

    async def _give_back(self) -> None:
        """Let another replica lead at once; where that fails it waits for the duration."""
        self._lead_until(-math.inf)
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                held = await self._api.get(self._path)
                if held["spec"].get("holderIdentity") == self._place.holder:
                    free = {"holderIdentity": None, "leaseDurationSeconds": 1, "renewTime": _now()}
                    await self._write(held, free)
        except (KubernetesFault, TimeoutError) as error:
            _log.warning("lease not given back", extra={"reason": repr(error)})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
