"""What people ask for: start, pause, resume, abort, and back. Nothing is decided about Gates.

Each answers at once; the loop carries on from what was written. Changes in `memory`:
notes, and state by `note`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from lifecycle.model_states import ModelState
from lifecycle.rollouts import ACTIVE_PHASES, Rollout
from lifecycle.transitions import require_version
from rollout_controller.memory import ModelMemory
from rollout_controller.ports import LedgerRefused, Ports
from rollout_controller.rollback import end_unserved
from rollout_controller.rollback_by_hand import known_state, roll_back

_TRIES = 5
"""Another writer may move the model's head between reading and writing; rarely twice."""

Written = TypeVar("Written")


async def start_rollout(ports: Ports, memory: ModelMemory, reference: str) -> Rollout:
    """Record a new Rollout of a version; TransitionRefused when there is no such version."""

    async def begin(state: ModelState) -> tuple[Rollout, int]:
        version = require_version(state, reference)
        return await ports.ledger.begin(state.name, version.digest, state.seq)

    rollout, seq = await _at_newest_head(ports, memory, begin)
    memory.note(rollout, seq)
    memory.wake.set()
    return rollout


async def pause(ports: Ports, memory: ModelMemory, reason: str) -> bool:
    """Hold the Rollout where it is; False where there is none to hold."""
    return await _hold(ports, memory, reason)


async def resume(ports: Ports, memory: ModelMemory) -> bool:
    """Let a paused Rollout go on, with a Gate's whole patience; False where none is paused."""
    changed = await _hold(ports, memory, None)
    if changed:
        memory.notes = replace(memory.notes, resumed_at=ports.clock.now())
        ports.journal.save(memory.served.name, memory.notes)
    return changed


async def abort(ports: Ports, memory: ModelMemory, reason: str) -> bool:
    """Give up the Rollout that is under way; False where there is none."""
    state = await known_state(ports, memory)
    if state.rollout is None or state.rollout.phase not in ACTIVE_PHASES:
        return False
    if state.rollout.baseline is None:
        await end_unserved(ports, memory, reason)
        memory.wake.set()
        return True
    return await roll_back(ports, memory, reason) is not None


async def _hold(ports: Ports, memory: ModelMemory, reason: str | None) -> bool:
    async def hold(state: ModelState) -> tuple[Rollout, int] | None:
        rollout = state.rollout
        if rollout is None or rollout.phase not in ACTIVE_PHASES:
            return None
        if (reason is None) == (rollout.paused is None):
            return None
        return await ports.ledger.hold(state.name, rollout.id, reason, state.seq)

    written = await _at_newest_head(ports, memory, hold)
    if written is None:
        return False
    memory.note(*written)
    memory.wake.set()
    return True


async def _at_newest_head(
    ports: Ports, memory: ModelMemory, write: Callable[[ModelState], Awaitable[Written]]
) -> Written:
    """Decide and write on the newest state, again where somebody wrote in between."""
    for _ in range(_TRIES):
        memory.state = await ports.ledger.fetch_state(memory.served.name)
        try:
            return await write(memory.state)
        except LedgerRefused as refused:
            if refused.problem != "stale-sequence":
                raise
    text = f"{memory.served.name} is written to without pause; try again"
    raise LedgerRefused("stale-sequence", text, {})
