"""Looking at one model: the ledger, the route, the colours; what is counted then is `count`'s.

What does not answer becomes a fault beside the last thing known of it. Changes in `memory`: state,
policy, notes.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from lifecycle.model_states import ModelState
from lifecycle.rollouts import SPLIT_PHASES, Colour, Phase, Rollout
from lifecycle.verdicts import Verdict
from rollout_controller.count import count_answers, count_copies
from rollout_controller.judge import canary_gates, canary_measurements, judge_canary
from rollout_controller.memory import ModelMemory
from rollout_controller.observed import Observed
from rollout_controller.ports import (
    ColourState,
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    PairsUnreachable,
    Ports,
    WorkloadsUnreachable,
)
from rollout_controller.route_objects import HeldRoute


async def observe(ports: Ports, memory: ModelMemory) -> Observed:
    """Look once. Slow answers are waited for side by side, each within its own limit."""
    name = memory.served.name
    faults: dict[str, str] = {}
    held = await ports.gateway.read(name)
    fresh, in_effect, colours = await asyncio.gather(
        _read_ledger(ports, memory, faults),
        _read_effect(ports, name, held, faults),
        _read_colours(ports, memory, faults),
    )
    now = ports.clock.now()
    _note_resumed(memory, now)
    seen = Observed(
        now=now,
        served=memory.served,
        patience=memory.patience,
        state=memory.state or _state_in_route(name, held),
        fresh=fresh,
        policy=memory.policy,
        held=held,
        in_effect=in_effect,
        colours=colours,
        health=None,
        in_flight=None,
        paired_since=None,
        mirroring=None,
        notes=memory.notes,
        asked=memory.asked,
        faults=faults,
    )
    return await _look_at_rollout(ports, memory, seen, faults)


async def _look_at_rollout(
    ports: Ports, memory: ModelMemory, seen: Observed, faults: dict[str, str]
) -> Observed:
    rollout, settled = seen.rollout, seen.route_is_settled
    if rollout is None or seen.going_back:
        return seen
    if memory.leading and _needs_a_mirror(seen, rollout):
        return replace(seen, mirroring=await ports.gateway.mirroring(seen.served))
    if rollout.phase is Phase.SHADOWING and settled and seen.fresh:
        try:
            since = await ports.pairs.paired_since(seen.served.name, rollout)
            if memory.leading and since is not None and seen.now > since:
                await count_copies(ports, memory, rollout)
            return replace(seen, paired_since=since, notes=memory.notes)
        except PairsUnreachable as error:
            faults["drift-monitor"] = str(error)
    if rollout.phase in SPLIT_PHASES and memory.leading:
        in_flight = await count_answers(ports, memory, seen, faults)
        seen = replace(seen, notes=memory.notes, in_flight=in_flight)
        return replace(seen, health=health_of(seen))
    return seen


def health_of(seen: Observed) -> Verdict | None:
    """Judge the Candidate on what was counted in this step; None where it cannot be judged."""
    if seen.tally is None or seen.gates is None:
        return None
    measured = canary_measurements(seen.tally, seen.served.objective.latency_milliseconds)
    return judge_canary(canary_gates(seen.gates), measured)


async def _read_ledger(ports: Ports, memory: ModelMemory, faults: dict[str, str]) -> bool:
    name, before = memory.served.name, memory.state
    try:
        read = await ports.ledger.fetch_state(name)
    except (LedgerUnreachable, LedgerRefused) as error:
        faults["registry"] = str(error)
        return False
    # What was written through us while we were reading is newer than what was read.
    if memory.state is None or memory.state is before or read.seq >= memory.state.seq:
        memory.state = read
    wanted = memory.state.policy
    if wanted is None or (memory.policy and memory.policy.digest == wanted):
        return True
    try:
        memory.policy = await ports.ledger.fetch_policy(name)
    except (LedgerUnreachable, LedgerRefused) as error:
        faults["policy"] = str(error)
    return True


async def _read_effect(
    ports: Ports, name: str, held: HeldRoute | None, faults: dict[str, str]
) -> bool | None:
    if held is None:
        return False
    try:
        effect = await ports.gateway.wait_in_effect(name, 0)
    except GatewayUnreachable as error:
        faults["gateway"] = str(error)
        return None
    if not effect.reached:
        faults["gateway"] = effect.reason
    return effect.reached


async def _read_colours(
    ports: Ports, memory: ModelMemory, faults: dict[str, str]
) -> Mapping[Colour, ColourState]:
    """What is not seen has not ended: the colours last seen stay."""
    try:
        return await ports.workloads.observe(memory.served.name)
    except WorkloadsUnreachable as error:
        faults["workloads"] = str(error)
        return memory.seen.colours if memory.seen else {}


def _note_resumed(memory: ModelMemory, now: float) -> None:
    """Give a Gate its whole patience after a pause, whichever replica was asked to resume; and let
    go of counts that another replica goes on with: their sums are not ours any more.
    """
    before = memory.seen.rollout if memory.seen else None
    after = memory.state.rollout if memory.state else None
    if before and after and before.paused is not None and replace(before, paused=None) == after:
        memory.notes = replace(memory.notes, resumed_at=now)
    if not memory.leading:
        memory.notes = replace(memory.notes, tally=None, mirror=None)


def _state_in_route(name: str, held: HeldRoute | None) -> ModelState:
    """The registry never answered since this process began: the route says what it implements."""
    if held is None:
        return ModelState(name)
    return ModelState(name, seq=held.route.ledger_seq, rollout=held.route.rollout)


def _needs_a_mirror(seen: Observed, rollout: Rollout) -> bool:
    """Asked when the mirror is the next thing: a gateway may have to prove it by requests."""
    waits = rollout.phase is Phase.PENDING and rollout.paused is None and seen.fresh
    loaded = seen.ready(rollout.candidate_colour, rollout.candidate)
    return waits and loaded and rollout.baseline is not None
