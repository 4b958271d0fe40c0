"""The set of loops, kept in step with the ServedModels that people write.

Deleting a ServedModel ends its serving, as deleting a Deployment does: once it is gone for a while
the leading replica removes the route, then the predictors. What no replica saw being deleted goes
on serving. A spec that is refused changes nothing; its last good form stays.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lifecycle.served_models import ServedModel
from rollout_controller.hostnames import refuse_hostnames
from rollout_controller.memory import ModelMemory
from rollout_controller.observed import Patience
from rollout_controller.ports import (
    GatewayUnreachable,
    NotLeading,
    Ports,
    ServedModels,
    ServedModelsRead,
    ServedModelsUnreachable,
    WorkloadsRefused,
    WorkloadsUnreachable,
)
from rollout_controller.published import published_status, refused_status
from rollout_controller.reconcile import ModelLoop

_GONE_SECONDS = 10.0
"""Who is deleted and made again within that (`kubectl replace --force`) was never gone. Nor is
anybody when the resource's definition is deleted: its objects go first, then no list answers.
"""

_LAST_LOOK_SECONDS = 3.0
"""A look that is under way when the process ends may still read back what it wrote."""
_NOT_NOW = (GatewayUnreachable, ServedModelsUnreachable, WorkloadsRefused, WorkloadsUnreachable)
_log = logging.getLogger(__name__)


@dataclass
class Loops:
    """All loops, kept in step with the ServedModels that people write."""

    ports: Ports
    source: ServedModels
    patience: Patience
    interval_seconds: float
    refused: Mapping[str, str] = field(default_factory=dict)
    _loops: dict[str, ModelLoop] = field(default_factory=dict)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _gone_since: dict[str, float] = field(default_factory=dict)
    _left: set[str] = field(default_factory=set)

    def find(self, model: str) -> ModelMemory | None:
        """Return the memory of a model that is served."""
        loop = self._loops.get(model)
        return loop.memory if loop else None

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow the ServedModels until cancelled; `ready` is called after each first look.

        When cancelled it lets the looks that are under way end.
        """
        try:
            while True:
                try:
                    await self.follow()
                    ready()
                    await self.publish()
                except _NOT_NOW as error:
                    _log.warning("models not followed", extra={"reason": str(error)})
                except NotLeading:
                    _log.info("the lead was lost meanwhile")
                await asyncio.sleep(self.interval_seconds)
        finally:
            await self._end([*self._tasks])

    async def follow(self) -> None:
        """Start, change and end loops as the ServedModels say now."""
        read = await self._read()
        models = {**self._just_gone(read), **read.models}
        refused = refuse_hostnames(models, self._loops)
        self.refused = {**read.refused, **refused}
        await self._forget([name for name in self._loops if name not in models])
        for name, served in models.items():
            if name in refused:
                continue
            if name not in self._loops:
                await self._begin(served)
            self._loops[name].memory.served = served
        self._hear(read)
        await self._remove(self._left - models.keys())

    async def publish(self) -> None:
        """Show each model's status, if this replica leads."""
        if not self.ports.leadership.leads:
            return
        for name, status in self._statuses():
            try:
                async with self.ports.leadership.acting():
                    await self.source.publish(name, status)
            except ServedModelsUnreachable as error:
                _log.warning("status not shown", extra={"model": name, "reason": str(error)})

    def _statuses(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, loop in self._loops.items():
            seen = loop.memory.seen
            if seen is None or seen.served == loop.memory.served:  # else it was of an older spec
                yield name, published_status(loop.memory, self.refused.get(name))
        for name, refusal in self.refused.items():
            if name not in self._loops:
                yield name, refused_status(refusal)

    async def _read(self) -> ServedModelsRead:
        try:
            return await self.source.read()
        except ServedModelsUnreachable:
            self._gone_since = {}  # only what is missing from one list after the other has gone
            raise

    def _just_gone(self, read: ServedModelsRead) -> dict[str, ServedModel]:
        now, before = self.ports.clock.now(), self._gone_since
        missing = [name for name in self._loops if name not in read.models]
        self._gone_since = {name: before.get(name, now) for name in missing}
        return {
            name: self._loops[name].memory.served
            for name, since in self._gone_since.items()
            if now - since < _GONE_SECONDS
        }

    async def _begin(self, served: ServedModel) -> None:
        notes = self.ports.journal.load(served.name)
        loop = ModelLoop(self.ports, ModelMemory(served, self.patience, notes))
        await loop.look()
        self._loops[served.name] = loop
        self._tasks[served.name] = asyncio.create_task(loop.run(self.interval_seconds))

    def _hear(self, read: ServedModelsRead) -> None:
        """Take over what the leading replica says, in case it is another."""
        for name, loop in self._loops.items():
            loop.memory.told = read.published.get(name, {})

    async def _forget(self, names: list[str]) -> None:
        await self._end(names)
        for name in names:
            self.ports.meters.forget(name)
            del self._loops[name]
        self._left.update(names)

    async def _remove(self, names: set[str]) -> None:
        """Take away what served a deleted model; another replica does it again should it lead."""
        if not self.ports.leadership.leads:
            return
        for name in sorted(names):
            async with self.ports.leadership.acting():
                await self.ports.gateway.remove(name)
                await self.ports.workloads.remove(name)
            self._left.discard(name)

    async def _end(self, names: list[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for name in names:
            self._loops[name].end()
        late = (await asyncio.wait(tasks, timeout=_LAST_LOOK_SECONDS))[1] if tasks else ()
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
