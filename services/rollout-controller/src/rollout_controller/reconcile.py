"""The loops: one per ServedModel, each looking, deciding and acting until there is nothing to do.

Level-triggered: what happened is never remembered, only what is. A look that fails is counted,
said in the status, and made again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lifecycle.rollouts import NOTHING_TO_SERVE, Colour
from lifecycle.served_models import ServedModel
from rollout_controller.act import act
from rollout_controller.conditions import faults_of
from rollout_controller.forward import Wait
from rollout_controller.hostnames import refuse_hostnames
from rollout_controller.memory import ModelMemory
from rollout_controller.observe import observe
from rollout_controller.observed import Patience
from rollout_controller.plan import Action, WriteRoute, next_action
from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    PairsUnreachable,
    Ports,
    RouteMoved,
    ServedModels,
)

_log = logging.getLogger(__name__)


class ModelLoop:
    """Looks at one model again and again."""

    def __init__(self, ports: Ports, memory: ModelMemory) -> None:
        self._ports = ports
        self.memory = memory

    async def run(self, interval_seconds: float) -> None:
        """Look until cancelled; at once after something was done, else after the interval."""
        before: Action | None = None
        while True:
            action = await self.look()
            # The same thing twice in a row is something that takes its time.
            if action is None or isinstance(action, Wait) or action == before:
                await self._rest(interval_seconds)
            before = action

    async def look(self) -> Action | None:
        """Look, decide, act. Returns what was done, None when it failed."""
        ports, memory = self._ports, self.memory
        try:
            seen = memory.seen = await observe(ports, memory)
            action = next_action(seen)
            if isinstance(action, Wait):
                memory.waiting = (action.reason, action.message)
            else:
                _log.info("acts", extra={"model": memory.served.name, "action": _said(action)})
            await act(ports, memory, seen, action)
            memory.fault = None
        except RouteMoved:
            return None  # by a rollback: look again
        except LedgerRefused as refused:
            if refused.problem != "stale-sequence":
                self._failed("LedgerRefused", str(refused))
            return None
        except (LedgerUnreachable, PairsUnreachable, GatewayUnreachable) as error:
            self._failed(type(error).__name__, str(error))
            return None
        except Exception as error:  # noqa: BLE001 - the loop's edge: other models go on
            _log.exception("look failed", extra={"model": memory.served.name})
            self._failed("unexpected", repr(error))
            return None
        finally:
            await self._show()
        return action

    async def _rest(self, interval_seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(interval_seconds):
                await self.memory.wake.wait()
        self.memory.wake.clear()

    def _failed(self, part: str, text: str) -> None:
        self._ports.meters.errors.labels(self.memory.served.name, part).inc()
        self.memory.fault = text
        _log.warning("not done", extra={"model": self.memory.served.name, "reason": text})

    async def _show(self) -> None:
        memory, seen = self.memory, self.memory.seen
        self._ports.meters.show(
            memory.served,
            memory.state.rollout if memory.state else None,
            seen.held.route.intent if seen and seen.held else NOTHING_TO_SERVE,
            faults_of(memory),
            unrecorded=seen is not None and seen.going_back,
        )
        async with memory.looked:
            memory.looked.notify_all()


def _said(action: Action) -> str:
    """A whole route is too long for a line of the log."""
    return f"WriteRoute({action.route.intent})" if isinstance(action, WriteRoute) else str(action)


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

    def find(self, model: str) -> ModelMemory | None:
        """Return the memory of a model that is served."""
        loop = self._loops.get(model)
        return loop.memory if loop else None

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow the ServedModels until cancelled; `ready` is called after each first look."""
        try:
            while True:
                try:
                    await self.follow()
                    ready()
                except GatewayUnreachable as error:
                    _log.warning("models not followed", extra={"reason": str(error)})
                await asyncio.sleep(self.interval_seconds)
        finally:
            await self._end([*self._tasks])

    async def follow(self) -> None:
        """Start, change and end loops as the ServedModels say now."""
        read = self.source.read()
        refused = refuse_hostnames(read.models, self._loops)
        self.refused = {**read.refused, **refused}
        wanted = {name: m for name, m in read.models.items() if name not in refused}
        for name in [name for name in self._loops if name not in read.models]:
            await self._forget(name)
        for name, served in wanted.items():
            if name in self._loops:
                self._loops[name].memory.served = served
            else:
                await self._begin(served)

    async def _begin(self, served: ServedModel) -> None:
        notes = self.ports.journal.load(served.name)
        loop = ModelLoop(self.ports, ModelMemory(served, self.patience, notes))
        await loop.look()
        self._loops[served.name] = loop
        self._tasks[served.name] = asyncio.create_task(loop.run(self.interval_seconds))

    async def _forget(self, name: str) -> None:
        await self._end([name])
        await self.ports.gateway.remove(name)
        for colour in Colour:
            await self.ports.workloads.stop(name, colour)
        self.ports.meters.forget(name)
        del self._loops[name]

    async def _end(self, names: list[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
