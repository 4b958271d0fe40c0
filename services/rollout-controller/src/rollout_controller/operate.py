"""What people ask for: start, pause, resume, abort, and back. Nothing is decided about Gates.

Each answers at once; the loop carries on from what was written. Changes in `memory`:
notes, and state by `note`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from lifecycle.model_states import ModelState
from lifecycle.rollouts import ACTIVE_PHASES, Rollout
from lifecycle.stages import Stage
from lifecycle.transitions import require_version
from rollout_controller.foresee import refuse_stuck
from rollout_controller.memory import ModelMemory
from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    Ports,
)
from rollout_controller.rollback import end_unserved
from rollout_controller.rollback_by_hand import known_state, roll_back

_TRIES = 5
"""Another writer may move the model's head between reading and writing; rarely twice."""

Written = TypeVar("Written")


async def start_rollout(
    ports: Ports, memory: ModelMemory, reference: str, *, supersede: bool = False
) -> Rollout:
    """Record a new Rollout of a version, or find the one that is under way.

    With `supersede` a Rollout of another version is given up first: all users get the Baseline, and
    the gateway says so, before the Candidate's colour is free. TransitionRefused when there is no
    such version; NeverEnds where a Gate could never PASS; GatewayUnreachable and LedgerUnreachable
    when the way is not free yet.
    """

    async def begin(state: ModelState) -> tuple[Rollout, int]:
        version = require_version(state, reference)
        under_way = _under_way(state)
        if under_way and under_way.candidate == version.digest:
            return under_way, state.seq
        await refuse_stuck(ports, memory, state, version)
        return await ports.ledger.begin(state.name, version.digest, state.seq)

    if supersede:
        await _make_way(ports, memory, reference)
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
    rollout = _under_way(await known_state(ports, memory))
    if rollout is None:
        return False
    if rollout.baseline is None:
        await end_unserved(ports, memory, reason)
        memory.wake.set()
        return True
    return await roll_back(ports, memory, reason) is not None


def _under_way(state: ModelState) -> Rollout | None:
    rollout = state.rollout
    return rollout if rollout and rollout.phase in ACTIVE_PHASES else None


async def _make_way(ports: Ports, memory: ModelMemory, reference: str) -> None:
    """Give up another version's Rollout; not for a version that would then be refused."""
    memory.state = state = await ports.ledger.fetch_state(memory.served.name)
    version, rollout = require_version(state, reference), _under_way(state)
    if rollout is None or rollout.candidate == version.digest or version.stage is not Stage.STAGING:
        return
    await refuse_stuck(ports, memory, state, version)
    await abort(ports, memory, f"superseded by version {version.number}")
    held = await ports.gateway.wait_in_effect(state.name, 0)
    if not held.reached:
        raise GatewayUnreachable(
            f"rollout {rollout.id} of {state.name} is given up, but the gateway does not say that "
            f"all users get the Baseline: {held.reason}; ask again"
        )
    if _under_way(memory.state):  # told to the ledger as soon as it answers, with the next look
        raise LedgerUnreachable(
            f"rollout {rollout.id} of {state.name} is given up, but the ledger does not have it "
            "yet; ask again"
        )


async def _hold(ports: Ports, memory: ModelMemory, reason: str | None) -> bool:
    async def hold(state: ModelState) -> tuple[Rollout, int] | None:
        rollout = _under_way(state)
        if rollout is None:
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
