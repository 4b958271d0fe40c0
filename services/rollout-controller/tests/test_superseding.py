"""A newer Candidate takes the place of one that is under way, and asking twice is asking once."""

from dataclasses import replace

import pytest
from rollout_controller_fakes import NEW, OLD, OLDER, World, a_rollout, a_state

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.stages import Stage
from rollout_controller.operate import start_rollout
from rollout_controller.plan import next_action
from rollout_controller.ports import GatewayUnreachable, LedgerRefused, LedgerUnreachable
from rollout_controller.reconcile import ModelLoop

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
INTENTS = {
    Phase.PENDING: all_to(BLUE),
    Phase.SHADOWING: replace(all_to(BLUE), mirror=GREEN, mirror_percent=100),
    Phase.CANARY: RouteIntent(90, 10),
    Phase.BAKING: all_to(GREEN),
}


async def under_way(phase):
    """A world in which NEW is rolled out over OLD, and OLDER stands in STAGING."""
    rollout = a_rollout(phase)
    production = NEW if phase is Phase.BAKING else OLD
    world = World(a_state(rollout, production=production, productions=(OLD, NEW)))
    world.ledger._stage(OLDER, Stage.STAGING)
    world.serving(rollout, INTENTS[phase])
    await look(world)
    return world


async def look(world):
    return await ModelLoop(world.ports, world.memory).look()


async def start(world, version, *, supersede=False):
    return await start_rollout(world.ports, world.memory, version, supersede=supersede)


def refusing(world, text):
    async def refuse(*_):
        raise LedgerRefused("illegal-transition", text, {})

    world.ledger.begin = refuse


@pytest.mark.parametrize("phase", list(INTENTS))
async def test_all_users_get_the_baseline_before_the_colour_is_used_again(phase):
    world = await under_way(phase)
    rollout = await start(world, "1", supersede=True)

    assert world.ledger.ended[0].reason == "superseded by version 1"
    assert world.intent == all_to(BLUE), "a hotfix takes no user from the Baseline"
    assert (rollout.candidate, rollout.baseline) == (OLDER, OLD)
    assert rollout.candidate_colour is GREEN
    for _ in range(3):
        await look(world)
    assert world.workloads.loads[-1] == (GREEN, OLDER)
    assert world.route.marker is None


async def test_without_being_told_to_nothing_is_superseded():
    world = await under_way(Phase.CANARY)
    refusing(world, "end it first")
    with pytest.raises(LedgerRefused, match="end it first"):
        await start(world, "1")
    assert world.intent == INTENTS[Phase.CANARY]


@pytest.mark.parametrize("supersede", [True, False])
async def test_the_version_that_is_under_way_is_not_begun_again(supersede):
    world = await under_way(Phase.CANARY)
    before = world.ledger.state

    assert await start(world, "3", supersede=supersede) == before.rollout
    assert world.ledger.state == before
    assert world.intent == INTENTS[Phase.CANARY]


async def test_nothing_is_given_up_for_a_version_that_would_be_refused():
    world = await under_way(Phase.CANARY)
    world.ledger._stage(OLDER, Stage.REGISTERED)
    refusing(world, "not in STAGING")
    with pytest.raises(LedgerRefused, match="not in STAGING"):
        await start(world, "1", supersede=True)
    assert world.intent == INTENTS[Phase.CANARY]


async def test_nothing_is_given_up_while_the_registry_is_down():
    world = await under_way(Phase.CANARY)
    world.ledger.up = False
    with pytest.raises(LedgerUnreachable):
        await start(world, "1", supersede=True)
    assert world.intent == INTENTS[Phase.CANARY]


async def test_no_rollout_begins_before_the_gateway_confirms_the_way_back():
    world = await under_way(Phase.CANARY)
    world.gateway.effect = False
    with pytest.raises(GatewayUnreachable, match="ask again"):
        await start(world, "1", supersede=True)
    assert world.rollout.candidate == NEW
    assert world.route.marker.to == OLD

    world.gateway.effect = True
    await look(world)
    assert (await start(world, "1", supersede=True)).candidate == OLDER


async def test_a_way_back_that_is_not_on_record_yet_is_no_refusal():
    """Found by tests/chaos: the ledger would refuse a second Rollout, as if nothing was asked."""
    world = await under_way(Phase.SHADOWING)
    end = world.ledger.end

    async def silent(*_):
        raise LedgerUnreachable("the registry-proxy is down")

    world.ledger.end = silent
    with pytest.raises(LedgerUnreachable, match="ask again"):
        await start(world, "1", supersede=True)
    world.ledger.end = end
    await look(world)
    assert (await start(world, "1", supersede=True)).candidate == OLDER


async def test_a_rollout_after_another_is_counted_anew():
    world = await under_way(Phase.CANARY)
    world.metrics.count(400, errors=3)
    await look(world)
    await start(world, "1", supersede=True)
    for _ in range(5):
        await look(world)
    rollout = world.rollout.at(Phase.CANARY, world.clock.now(), 0)
    world.ledger.state = replace(
        world.ledger.state, rollout=rollout, seq=world.ledger.state.seq + 1
    )
    for _ in range(5):
        await look(world)

    assert next_action(world.memory.seen).reason == "CanaryInconclusive"
    assert world.memory.notes.tally.rollout == rollout.id
    assert world.memory.notes.tally.total.requests == 0
