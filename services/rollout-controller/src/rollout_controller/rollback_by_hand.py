"""A Rollback that somebody asks for: where to, is it loaded, then back at once.

To the Baseline it waits for nobody. To an earlier Production it first has that version loaded into
the colour that nobody is sent to: the wish stands in the route, so it does not matter which replica
is asked and which one loads.
"""

import asyncio
from dataclasses import dataclass, replace

from lifecycle.model_states import ModelState
from lifecycle.rollouts import ACTIVE_PHASES, Colour, Rollout
from lifecycle.transitions import require_version
from rollout_controller.memory import ModelMemory, Rollback
from rollout_controller.ports import GatewayUnreachable, LedgerUnreachable, Ports, RouteMoved
from rollout_controller.rollback import Cause, go_back
from rollout_controller.route_objects import HeldRoute, Wish
from rollout_controller.targets import GONE_BACK, production_of

_TRIES = 5
"""Another writer may move the route between reading and writing; rarely twice."""


class CannotGoBack(Exception):
    """There is no way back from here; the text says why and what can be done."""


@dataclass(frozen=True)
class Place:
    """A version in a colour."""

    digest: str
    colour: Colour


async def roll_back(
    ports: Ports,
    memory: ModelMemory,
    reason: str,
    to: str | None = None,
    *,
    automatic: bool = False,
) -> Rollback | None:
    """Return the traffic to the Baseline, or to an earlier Production (number or digest).

    `automatic`: no person asks. None where it is there already. Raises CannotGoBack,
    TransitionRefused for an unknown version, and LedgerUnreachable where `to` has to be looked up.
    """
    name, decided_at = memory.served.name, ports.clock.now()
    fetched = await ports.ledger.fetch_state(name) if to else await known_state(ports, memory)
    held = await ports.gateway.read(name)
    place = _place(fetched, held, to)
    rollout = fetched.rollout
    if place is None or rollout is None:
        return None
    cause = Cause(rollout, place.digest, place.colour, reason, automatic, decided_at)
    await _await_ready(ports, memory, held, place)
    _refuse_other(memory, rollout)
    return await go_back(ports, memory, cause)


async def known_state(ports: Ports, memory: ModelMemory) -> ModelState:
    """Return the last state known, so that going back asks nobody; the ledger's if none is."""
    if memory.state:
        return memory.state
    try:
        return await ports.ledger.fetch_state(memory.served.name)
    except LedgerUnreachable:
        if memory.seen is None:
            raise
        return memory.seen.state


def _place(state: ModelState, held: HeldRoute | None, to: str | None) -> Place | None:
    rollout = state.rollout
    if rollout is None or held is None:
        raise CannotGoBack(f"nothing of {state.name} was rolled out yet, so nothing can go back")
    digest = require_version(state, to).digest if to else rollout.baseline
    if to is None and rollout.phase in GONE_BACK:
        return None
    if digest is None:
        raise CannotGoBack(f"{state.name} never had another version in PRODUCTION")
    if rollout.phase not in GONE_BACK and digest == rollout.baseline:
        return Place(digest, rollout.baseline_colour)
    return _earlier(state, rollout, held, digest)


def _earlier(state: ModelState, rollout: Rollout, held: HeldRoute, digest: str) -> Place | None:
    if rollout.phase in ACTIVE_PHASES:
        raise CannotGoBack(
            f"rollout {rollout.id} is {rollout.phase}; roll it back first, then to {digest}"
        )
    gone_back = rollout.phase in GONE_BACK
    if digest == (production_of(state, rollout) if gone_back else rollout.candidate):
        return None
    if digest not in state.productions:
        raise CannotGoBack(f"{digest} of {state.name} never was in PRODUCTION; roll it out instead")
    idle = Colour.BLUE if held.route.intent.weight(Colour.BLUE) == 0 else Colour.GREEN
    return Place(digest, idle)


def _refuse_other(memory: ModelMemory, rollout: Rollout) -> None:
    now = memory.state.rollout if memory.state else None
    if now and now.id != rollout.id:
        raise CannotGoBack(
            f"rollout {now.id} began while the version was loaded; roll that one back, then again"
        )


async def _await_ready(
    ports: Ports, memory: ModelMemory, held: HeldRoute | None, place: Place
) -> None:
    """Wait until the place is ready, unless it has all the traffic as it is."""
    if held and held.route.intent.weight(place.colour) == 100:
        return
    state = (await ports.workloads.observe(memory.served.name)).get(place.colour)
    if state and state.ready and state.digest == place.digest:
        return
    until = ports.clock.now() + memory.patience.load
    await _wish(ports, memory, Wish(place.colour, place.digest, until))
    try:
        await _await_look(memory, place)
    except TimeoutError as error:
        await _wish(ports, memory, None)
        raise CannotGoBack(
            f"{place.digest} was not ready in {place.colour} within "
            f"{memory.patience.load:g} s; its log says why"
        ) from error


async def _await_look(memory: ModelMemory, place: Place) -> None:
    before = memory.seen
    memory.wake.set()

    def ready() -> bool:
        seen = memory.seen
        return seen is not None and seen is not before and seen.ready(place.colour, place.digest)

    async with asyncio.timeout(memory.patience.load), memory.looked:
        await memory.looked.wait_for(ready)


async def _wish(ports: Ports, memory: ModelMemory, wish: Wish | None) -> None:
    """Write a wish into the route, or take it back, whatever else is written meanwhile."""
    name = memory.served.name
    for _ in range(_TRIES):
        held = await ports.gateway.read(name)
        if held is None:
            return
        try:
            await ports.gateway.write(replace(held.route, wish=wish), held.revision)
        except RouteMoved:
            continue
        return
    raise GatewayUnreachable(f"the route of {name} is written to without pause; try again")
