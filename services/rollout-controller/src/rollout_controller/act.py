"""Carrying out one Action. What could not be done is an exception of a port; nothing is kept
half done, because the next look starts from what is there. Changes in `memory`: asked, and
state by `note`.
"""

from typing import assert_never

from lifecycle.rollouts import Phase, Rollout
from lifecycle.subjects import subjects_of
from rollout_controller.forward import Advancing, OpenPairing, Pausing, Wait
from rollout_controller.ledger_moves import Advance, Envelope
from rollout_controller.memory import ModelMemory
from rollout_controller.mirror_counts import MirrorRead
from rollout_controller.observed import Asked, Observed
from rollout_controller.plan import Action, GoBack, Load, Record, Settle, Unload, WriteRoute
from rollout_controller.ports import GatewayUnreachable, Ports, RouteMoved
from rollout_controller.rollback import (
    EFFECT_LIMIT_SECONDS,
    LONGEST_REASON,
    Cause,
    end_unserved,
    go_back,
    record,
)
from rollout_controller.route_objects import Route
from rollout_controller.sign_canary import signed_canary


async def act(ports: Ports, memory: ModelMemory, seen: Observed, action: Action) -> None:
    """Do what `plan` decided on `seen`."""
    name = memory.served.name
    match action:
        case Wait():
            return
        case Load():
            await _refuse_moved(ports, seen)
            await ports.workloads.ensure(memory.served, action.colour, action.digest)
        case Settle():
            await ports.workloads.settle(memory.served, action.colour)
        case Unload():
            await _refuse_moved(ports, seen)
            await ports.workloads.stop(name, action.colour)
        case WriteRoute():
            await _write_route(ports, action.route, seen)
        case GoBack():
            await _go_back(ports, memory, seen, action)
        case Record():
            await record(ports, memory, action.marker)
        case OpenPairing() | Advancing() | Pausing():
            if seen.rollout:
                await _move_forward(ports, memory, seen, seen.rollout, action)
        case _:
            assert_never(action)


async def _refuse_moved(ports: Ports, seen: Observed) -> None:
    """A colour was seen to be free; another replica may have gone back to it since."""
    held = await ports.gateway.read(seen.served.name)
    if (held and held.revision) != (seen.held and seen.held.revision):
        raise RouteMoved(f"the route of {seen.served.name} was written since it was read")


async def _write_route(ports: Ports, route: Route, seen: Observed) -> None:
    started = ports.clock.now()
    await ports.gateway.write(route, seen.held.revision if seen.held else None)
    effect = await ports.gateway.wait_in_effect(route.model, EFFECT_LIMIT_SECONDS)
    if not effect.reached:
        raise GatewayUnreachable(
            f"the route of {route.model} is written but not in effect after "
            f"{EFFECT_LIMIT_SECONDS:g} s: {effect.reason}"
        )
    ports.meters.write_seconds.observe(ports.clock.now() - started)


async def _go_back(ports: Ports, memory: ModelMemory, seen: Observed, action: GoBack) -> None:
    rollout = seen.rollout
    if rollout is None:
        return
    if rollout.baseline is None:
        await end_unserved(ports, memory, action.reason)
        return
    cause = Cause(
        rollout=rollout,
        to=rollout.baseline,
        colour=rollout.baseline_colour,
        reason=action.reason,
        automatic=True,
        decided_at=ports.clock.now(),
        verdict=action.verdict,
    )
    await go_back(ports, memory, cause)


async def _move_forward(
    ports: Ports,
    memory: ModelMemory,
    seen: Observed,
    rollout: Rollout,
    action: OpenPairing | Advancing | Pausing,
) -> None:
    name, seq = memory.served.name, seen.state.seq
    match action:
        case OpenPairing():
            percent = memory.served.mirror_percent
            await ports.pairs.register(name, rollout, action.since, percent)
        case Pausing():
            reason = action.reason[:LONGEST_REASON]
            memory.note(*await ports.ledger.hold(name, rollout.id, reason, seq))
        case Advancing():
            evidence = await _evidence(ports, memory, seen)
            request = Advance(action.phase, action.step, seq, evidence, action.judge_only)
            answer = await ports.ledger.advance(name, rollout.id, request)
            memory.note(answer.rollout, answer.seq)
            step = (rollout.id, rollout.phase, rollout.step)
            memory.asked = Asked(*step, seen.now, answer.verdict)
        case _:
            assert_never(action)


async def _evidence(ports: Ports, memory: ModelMemory, seen: Observed) -> Envelope | None:
    rollout = seen.rollout
    if rollout is None or seen.policy is None:
        return None
    if rollout.phase is Phase.CANARY:
        return signed_canary(ports.sign, memory)
    version = seen.state.find(rollout.candidate)
    if rollout.phase is not Phase.SHADOWING or version is None:
        return None
    expires_at = seen.now + seen.policy.policy.evidence_max_age_seconds
    subjects = subjects_of(seen.state, version)
    mirror = _mirror_read(memory, rollout, seen.now)
    return await ports.pairs.sign(memory.served.name, rollout, subjects, expires_at, mirror)


def _mirror_read(memory: ModelMemory, rollout: Rollout, now: float) -> MirrorRead:
    percent, tally = memory.served.mirror_percent, memory.notes.mirror
    if tally is None or tally.rollout != rollout.id:
        return MirrorRead(percent, now, ())
    return MirrorRead(percent, tally.since, tally.readings)
