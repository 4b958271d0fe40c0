"""The loop of one ServedModel: looking, deciding and acting until there is nothing to do.

Level-triggered: what happened is never remembered, only what is. A look that fails is counted,
said in the status, and made again. Of several replicas all look, and the leading one acts.
"""

import asyncio
import contextlib
import logging

from lifecycle.rollouts import NOTHING_TO_SERVE
from rollout_controller.act import act
from rollout_controller.conditions import faults_of
from rollout_controller.forward import Wait
from rollout_controller.memory import ModelMemory
from rollout_controller.observe import observe
from rollout_controller.plan import Action, WriteRoute, next_action
from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    NotLeading,
    PairsUnreachable,
    Ports,
    RouteMoved,
    WorkloadsRefused,
    WorkloadsUnreachable,
)
from rollout_controller.standing_by import stand_by

_NOT_DONE = (
    LedgerUnreachable,
    PairsUnreachable,
    GatewayUnreachable,
    WorkloadsUnreachable,
    WorkloadsRefused,
)
_log = logging.getLogger(__name__)


class ModelLoop:
    """Looks at one model again and again."""

    def __init__(self, ports: Ports, memory: ModelMemory) -> None:
        self._ports = ports
        self.memory = memory
        self._ending = False

    def end(self) -> None:
        """Have `run` return after the look that is under way."""
        self._ending = True
        self.memory.wake.set()

    async def run(self, interval_seconds: float) -> None:
        """Look until told to end; at once after something was done, else after the interval."""
        before: Action | None = None
        while not self._ending:
            action = await self.look()
            # The same thing twice in a row is something that takes its time.
            if action is None or isinstance(action, Wait) or action == before:
                await self._rest(interval_seconds)
            before = action

    async def look(self) -> Action | None:
        """Look, decide, act. Returns what was done, None when it failed."""
        ports, memory = self._ports, self.memory
        memory.leading = ports.leadership.leads
        try:
            seen = memory.seen = await observe(ports, memory)
            action = next_action(seen) if memory.leading else stand_by(memory)
            if isinstance(action, Wait):
                memory.waiting = (action.reason, action.message)
            else:
                _log.info("acts", extra={"model": memory.served.name, "action": _said(action)})
                async with ports.leadership.acting():
                    await act(ports, memory, seen, action)
            memory.fault = None
        except (RouteMoved, NotLeading):
            return None  # by a rollback, or another replica took over: look again
        except LedgerRefused as refused:
            if refused.problem != "stale-sequence":
                self._failed("LedgerRefused", str(refused))
            return None
        except _NOT_DONE as error:
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
