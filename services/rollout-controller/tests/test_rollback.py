"""Going back when somebody asks for it: at once, to the right place, told to the ledger."""

import asyncio
from dataclasses import replace

import pytest
from rollout_controller_fakes import NEW, OLD, OLDER, World, a_rollout, a_state, ready, unready

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.stages import Stage
from lifecycle.transitions import TransitionRefused
from rollout_controller.operate import abort, pause, resume, start_rollout
from rollout_controller.ports import LedgerRefused, LedgerUnreachable
from rollout_controller.reconcile import ModelLoop
from rollout_controller.rollback_by_hand import CannotGoBack, roll_back

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
INTENTS = {
    Phase.PENDING: all_to(BLUE),
    Phase.SHADOWING: MIRRORED,
    Phase.CANARY: RouteIntent(90, 10),
    Phase.BAKING: all_to(GREEN),
    Phase.SUCCEEDED: all_to(GREEN),
    Phase.ROLLED_BACK: all_to(BLUE),
    Phase.ABORTED: all_to(BLUE),
}


async def in_phase(phase, **changes):
    rollout = a_rollout(phase, **changes)
    production = NEW if phase in (Phase.BAKING, Phase.SUCCEEDED) else OLD
    world = World(a_state(rollout, production=production, productions=(OLDER, OLD, NEW)))
    world.serving(rollout, INTENTS[phase])
    await look(world)
    return world


async def look(world):
    return await ModelLoop(world.ports, world.memory).look()


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING, Phase.SUCCEEDED])
async def test_one_call_brings_the_baseline_back(phase):
    world = await in_phase(phase)
    done = await roll_back(world.ports, world.memory, "too many complaints")

    assert world.intent == all_to(BLUE)
    assert (done.to, done.recorded, done.automatic) == (OLD, True, False)
    assert done.effective_at >= done.decided_at
    assert world.rollout.phase is Phase.ROLLED_BACK
    assert world.ledger.state.holding(Stage.PRODUCTION).digest == OLD


async def test_it_needs_neither_the_registry_nor_the_drift_monitor():
    world = await in_phase(Phase.SUCCEEDED)
    world.ledger.up = world.pairs.up = False
    done = await roll_back(world.ports, world.memory, "complaints")

    assert world.intent == all_to(BLUE)
    assert not done.recorded
    world.ledger.up = True
    await look(world)
    assert world.rollout.phase is Phase.ROLLED_BACK


async def test_it_needs_no_registry_even_right_after_a_restart():
    world = await in_phase(Phase.CANARY)
    world.forget()
    world.ledger.up = False
    await look(world)
    await roll_back(world.ports, world.memory, "complaints")

    assert world.intent == all_to(BLUE)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.SHADOWING])
async def test_before_any_users_answer_it_aborts(phase):
    world = await in_phase(phase)
    await roll_back(world.ports, world.memory, "never mind")

    assert world.rollout.phase is Phase.ABORTED
    assert world.intent == all_to(BLUE)


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.ABORTED])
async def test_where_everything_went_back_already_there_is_nothing_to_do(phase):
    world = await in_phase(phase)
    written = len(world.gateway.written)

    assert await roll_back(world.ports, world.memory, "again") is None
    assert len(world.gateway.written) == written


async def test_two_at_once_make_one():
    world = await in_phase(Phase.CANARY)
    calls = (roll_back(world.ports, world.memory, "alarm") for _ in range(3))
    done = await asyncio.gather(*calls)

    assert len({each.decided_at for each in done if each}) == 1
    assert len(world.ledger.ended) == 1


async def test_a_first_release_has_nothing_to_go_back_to():
    world = await in_phase(Phase.SUCCEEDED, baseline=None)
    with pytest.raises(CannotGoBack, match="never had another version"):
        await roll_back(world.ports, world.memory, "complaints")


async def test_a_baseline_that_moved_to_other_ports_is_found_there():
    world = await in_phase(Phase.SUCCEEDED)
    world.workloads.colours[BLUE] = ready(OLD, 8600)
    await roll_back(world.ports, world.memory, "complaints")

    assert world.gateway.written[-1].backends[BLUE] == "127.0.0.1:8600"


async def test_a_gateway_that_says_nothing_leaves_the_marker_and_records_later():
    world = await in_phase(Phase.CANARY)
    world.gateway.effect = None
    done = await roll_back(world.ports, world.memory, "complaints")
    assert done.effective_at is None
    assert (world.intent, world.rollout.phase) == (all_to(BLUE), Phase.CANARY)

    world.gateway.effect = True
    await look(world)
    assert world.rollout.phase is Phase.ROLLED_BACK


async def test_an_earlier_production_is_loaded_first_and_then_served():
    world = await in_phase(Phase.SUCCEEDED)
    world.workloads.slow = True
    asked = asyncio.create_task(roll_back(world.ports, world.memory, "older", to="1"))
    await asyncio.sleep(0)
    await look(world)
    assert world.workloads.loads == [(BLUE, OLDER)]
    assert world.intent == all_to(GREEN)

    world.workloads.become_ready()
    await look(world)
    done = await asked
    assert (done.to, world.intent) == (OLDER, all_to(BLUE))
    for _ in range(5):
        await look(world)
    assert world.intent == all_to(BLUE)
    assert world.ledger.state.holding(Stage.PRODUCTION).digest == OLDER
    assert world.workloads.colours.keys() == {BLUE}


async def test_a_rollout_that_begins_meanwhile_is_not_run_over():
    world = await in_phase(Phase.SUCCEEDED)
    world.workloads.slow = True
    asked = asyncio.create_task(roll_back(world.ports, world.memory, "older", to="1"))
    await asyncio.sleep(0)
    await look(world)
    world.ledger.state = replace(world.ledger.state, rollout=a_rollout(Phase.PENDING, id="r9"))
    world.workloads.become_ready()
    await look(world)

    with pytest.raises(CannotGoBack, match="rollout r9 began"):
        await asked
    assert world.route.marker is None


async def test_after_a_rollback_one_can_go_further_back():
    world = await in_phase(Phase.ROLLED_BACK)
    for _ in range(3):
        await look(world)
    asked = asyncio.create_task(roll_back(world.ports, world.memory, "older", to=OLDER))
    await asyncio.sleep(0)
    for _ in range(3):
        await look(world)
    await asked
    for _ in range(3):
        await look(world)

    assert world.intent == all_to(GREEN)
    assert world.workloads.colours.keys() == {GREEN}


async def test_an_earlier_production_that_does_not_load_changes_nothing():
    world = await in_phase(Phase.SUCCEEDED)
    world.workloads.slow = True
    world.memory.patience = replace(world.memory.patience, load=0.01)

    with pytest.raises(CannotGoBack, match=r"was not ready in blue within 0\.01 s"):
        await roll_back(world.ports, world.memory, "older", to="1")
    assert world.intent == all_to(GREEN)
    assert world.route.wish is None


@pytest.mark.parametrize(
    ("phase", "to", "reason"),
    [
        (Phase.CANARY, OLDER, "is CANARY; roll it back first"),
        (Phase.ROLLED_BACK, NEW, "never was in PRODUCTION"),
    ],
)
async def test_what_cannot_be_gone_back_to_is_refused(phase, to, reason):
    world = await in_phase(phase)
    world.ledger.state = replace(world.ledger.state, productions=(OLDER, OLD))
    with pytest.raises(CannotGoBack, match=reason):
        await roll_back(world.ports, world.memory, "back", to=to)


async def test_an_unknown_version_is_refused_by_name():
    world = await in_phase(Phase.SUCCEEDED)
    with pytest.raises(TransitionRefused, match="has no version 9"):
        await roll_back(world.ports, world.memory, "back", to="9")


async def test_an_unready_baseline_is_waited_for():
    world = await in_phase(Phase.SUCCEEDED)
    world.workloads.colours[BLUE] = unready(OLD)
    asked = asyncio.create_task(roll_back(world.ports, world.memory, "back"))
    await asyncio.sleep(0)
    await look(world)
    assert world.intent == all_to(GREEN)

    world.workloads.become_ready()
    await look(world)
    await asked
    assert world.intent == all_to(BLUE)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.SHADOWING, Phase.CANARY, Phase.BAKING])
async def test_abort_ends_what_is_under_way(phase):
    world = await in_phase(phase)

    assert await abort(world.ports, world.memory, "enough")
    assert world.rollout.phase in (Phase.ABORTED, Phase.ROLLED_BACK)
    assert world.intent == all_to(BLUE)
    assert not await abort(world.ports, world.memory, "again")


async def test_pause_and_resume_say_whether_they_changed_anything():
    world = await in_phase(Phase.CANARY)

    assert await pause(world.ports, world.memory, "let me look")
    assert world.rollout.paused == "let me look"
    assert not await pause(world.ports, world.memory, "again")
    assert await resume(world.ports, world.memory)
    assert not await resume(world.ports, world.memory)
    assert world.memory.notes.resumed_at == world.clock.now()


async def test_a_rollout_is_started_on_the_newest_head():
    world = await in_phase(Phase.SUCCEEDED)
    tries = []
    begin = world.ledger.begin

    async def busy(model, digest, seq):
        tries.append(seq)
        if len(tries) < 3:
            world.ledger.state = replace(world.ledger.state, seq=world.ledger.state.seq + 1)
        return await begin(model, digest, seq)

    world.ledger.begin = busy
    rollout = await start_rollout(world.ports, world.memory, "1")

    assert (rollout.phase, rollout.candidate, len(tries)) == (Phase.PENDING, OLDER, 3)
    assert world.memory.state.rollout == rollout, "the status shows it before the next look"


async def test_what_the_registry_refuses_is_passed_on():
    world = await in_phase(Phase.SUCCEEDED)

    async def refuse(*_):
        raise LedgerRefused("illegal-transition", "not in STAGING", {})

    world.ledger.begin = refuse
    with pytest.raises(LedgerRefused, match="not in STAGING"):
        await start_rollout(world.ports, world.memory, "1")
    world.ledger.up = False
    with pytest.raises(LedgerUnreachable):
        await start_rollout(world.ports, world.memory, "1")
