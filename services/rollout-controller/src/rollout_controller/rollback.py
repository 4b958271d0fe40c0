"""Going back: Marker and route in one write, read back, then recorded.

It asks nobody, so it works while the registry and the drift-monitor are down; the Marker stays
in the route until the ledger has it. Changes in `memory`: last_rollback, and state by `note`.
"""

from dataclasses import dataclass, replace
from typing import Any

from lifecycle.rollouts import SPLIT_PHASES, Colour, Marker, Phase, Rollout
from lifecycle.verdicts import Verdict
from rollout_controller.ledger_moves import Ending
from rollout_controller.memory import ModelMemory, Rollback, found_in
from rollout_controller.ports import (
    GatewayUnreachable,
    LedgerRefused,
    LedgerUnreachable,
    Ports,
    WorkloadsUnreachable,
)
from rollout_controller.route_objects import HeldRoute
from rollout_controller.sign_canary import signed_canary

EFFECT_LIMIT_SECONDS = 2.0
"""The promise is one second; a gateway that needs twice that is reported, not waited for."""

LONGEST_REASON = 1000
"""Characters; the ledger keeps a sentence, and must never refuse a Rollback for its length."""

_BEFORE_ANY_ANSWER = frozenset({Phase.PENDING, Phase.SHADOWING})


@dataclass(frozen=True)
class Cause:
    """Why and where to: `to` is the digest, loaded in `colour`; `decided_at` is when the
    decision was taken or asked for, seconds since the epoch.
    """

    rollout: Rollout
    to: str
    colour: Colour
    reason: str
    automatic: bool
    decided_at: float
    verdict: Verdict | None = None


async def go_back(ports: Ports, memory: ModelMemory, cause: Cause) -> Rollback:
    """Send everything to `cause.colour`, wait until it is so, and tell the ledger.

    Two at once make one: whoever comes second finds the first one's Marker.
    """
    async with memory.going_back:
        held = await ports.gateway.read(memory.served.name)
        if held is None:
            raise GatewayUnreachable("no route was written yet, so there is nothing to change")
        done = memory.last_rollback
        if done and _is_under_way(held, done, cause):
            return done
        return await _carry_out(ports, memory, held, cause)


async def record(ports: Ports, memory: ModelMemory, marker: Marker) -> None:
    """Tell the ledger what a Marker says that was found in the route."""
    rollout = memory.state.rollout if memory.state else None
    done = memory.last_rollback
    if done is None or (done.rollout, done.to) != (marker.rollout, marker.to):
        done = found_in(marker)
    ending = Ending(_end_phase(rollout), marker.reason, marker, done.verdict, _facts(memory, done))
    memory.note(*await ports.ledger.end(memory.served.name, marker.rollout, ending))
    memory.last_rollback = replace(done, recorded=True)


async def end_unserved(ports: Ports, memory: ModelMemory, cause_text: str) -> None:
    """End a first Release that nobody was ever sent to: there is no route to change."""
    rollout = memory.state.rollout if memory.state else None
    if rollout:
        ending = Ending(Phase.ABORTED, cause_text)
        memory.note(*await ports.ledger.end(memory.served.name, rollout.id, ending))


def _is_under_way(held: HeldRoute, done: Rollback, cause: Cause) -> bool:
    marker = held.route.marker
    same = marker is not None and (marker.rollout, marker.to) == (cause.rollout.id, cause.to)
    return same and (done.rollout, done.to) == (cause.rollout.id, cause.to)


async def _carry_out(ports: Ports, memory: ModelMemory, held: HeldRoute, cause: Cause) -> Rollback:
    marker = Marker(
        rollout=cause.rollout.id,
        ledger_seq=memory.state.seq if memory.state else held.route.ledger_seq,
        reason=cause.reason[:LONGEST_REASON],
        to=cause.to,
        to_colour=cause.colour,
        written_at=ports.clock.now(),
        automatic=cause.automatic,
    )
    address = await _address(ports, memory.served.name, cause.colour)
    route = held.route.going_back(marker, address)
    await ports.gateway.write(route, expected=None)
    effective_at = await _effect(ports, memory.served.name)
    done = Rollback(
        rollout=cause.rollout.id,
        to=cause.to,
        reason=cause.reason,
        automatic=cause.automatic,
        decided_at=cause.decided_at,
        effective_at=effective_at,
        recorded=False,
        verdict=cause.verdict,
    )
    memory.last_rollback = done
    ports.meters.rollbacks.labels(memory.served.name, str(cause.automatic).lower()).inc()
    if effective_at is not None:
        recorded = await _tell(ports, memory, marker, cause, done)
        memory.last_rollback = replace(done, recorded=recorded)
    memory.wake.set()
    return memory.last_rollback


async def _address(ports: Ports, model: str, colour: Colour) -> str | None:
    try:
        state = (await ports.workloads.observe(model)).get(colour)
    except WorkloadsUnreachable:
        return None  # where it was
    return state.address if state else None


async def _effect(ports: Ports, model: str) -> float | None:
    started = ports.clock.now()
    try:
        effect = await ports.gateway.wait_in_effect(model, EFFECT_LIMIT_SECONDS)
    except GatewayUnreachable:
        return None
    if not effect.reached:
        return None
    effective_at = ports.clock.now()
    ports.meters.write_seconds.observe(effective_at - started)
    return effective_at


async def _tell(
    ports: Ports, memory: ModelMemory, marker: Marker, cause: Cause, done: Rollback
) -> bool:
    ending = Ending(
        phase=_end_phase(cause.rollout),
        reason=marker.reason,
        marker=marker,
        verdict=cause.verdict,
        facts=_facts(memory, done),
        evidence=signed_canary(ports.sign, memory),
    )
    try:
        memory.note(*await ports.ledger.end(memory.served.name, cause.rollout.id, ending))
    except (LedgerUnreachable, LedgerRefused) as error:
        memory.fault = f"the rollback stands in the route, the ledger does not have it: {error}"
        return False
    return True


def _facts(memory: ModelMemory, done: Rollback) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "decided_at": done.decided_at,
        "effective_at": done.effective_at,
        "milliseconds": done.milliseconds,
    }
    tally = memory.notes.tally
    if tally and tally.rollout == done.rollout and tally.phase in SPLIT_PHASES:
        total = tally.total
        facts["canary"] = {
            "requests": total.requests,
            "errors": total.errors,
            "over": total.over,
        }
    return facts


def _end_phase(rollout: Rollout | None) -> Phase:
    before = rollout is not None and rollout.phase in _BEFORE_ANY_ANSWER
    return Phase.ABORTED if before else Phase.ROLLED_BACK
