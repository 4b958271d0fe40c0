"""What people ask for: start, pause, resume, abort, and back. Nothing is decided about Gates.

Each answers at once; the loop carries on from what was written. Changes in `memory`: wish,
notes, and state by `note`.
"""

from dataclasses import replace

from lifecycle.rollouts import ACTIVE_PHASES, Rollout
from lifecycle.transitions import require_version
from rollout_controller.memory import ModelMemory
from rollout_controller.ports import LedgerRefused, Ports
from rollout_controller.rollback import end_unserved
from rollout_controller.rollback_by_hand import known_state, roll_back

_TRIES = 5
"""Another writer may move the model's head between reading and writing; rarely twice."""


async def start_rollout(ports: Ports, memory: ModelMemory, reference: str) -> Rollout:
    """Record a new Rollout of a version; TransitionRefused when there is no such version."""
    name = memory.served.name
    for _ in range(_TRIES):
        state = await ports.ledger.fetch_state(name)
        version = require_version(state, reference)
        try:
            rollout, seq = await ports.ledger.begin(name, version.digest, state.seq)
        except LedgerRefused as refused:
            if refused.problem != "stale-sequence":
                raise
            continue
        memory.state = state
        memory.note(rollout, seq)
        memory.wake.set()
        return rollout
    raise _too_busy(name)


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
    name = memory.served.name
    for _ in range(_TRIES):
        state = await ports.ledger.fetch_state(name)
        rollout = state.rollout
        if rollout is None or rollout.phase not in ACTIVE_PHASES:
            return False
        if (reason is None) == (rollout.paused is None):
            return False
        try:
            held, seq = await ports.ledger.hold(name, rollout.id, reason, state.seq)
        except LedgerRefused as refused:
            if refused.problem != "stale-sequence":
                raise
            continue
        memory.state = state
        memory.note(held, seq)
        memory.wake.set()
        return True
    raise _too_busy(name)


def _too_busy(name: str) -> LedgerRefused:
    return LedgerRefused("stale-sequence", f"{name} is written to without pause; try again", {})
