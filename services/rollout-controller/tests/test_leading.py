"""Two controllers on one world: one acts, both answer, and either may die or lose the lead."""

import asyncio
from dataclasses import replace

import pytest
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    OLDER,
    PATIENCE,
    ServedModelFiles,
    World,
    a_rollout,
    a_served_model,
    a_state,
    verdict,
)

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.stages import Stage
from rollout_controller.conditions import status_document
from rollout_controller.follow import Loops
from rollout_controller.forward import Wait
from rollout_controller.operate import pause, resume, start_rollout
from rollout_controller.ports import Notes, ServedModelsUnreachable
from rollout_controller.reconcile import ModelLoop
from rollout_controller.rollback_by_hand import roll_back

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
BEFORE = {
    Phase.PENDING: all_to(BLUE),
    Phase.SHADOWING: MIRRORED,
    Phase.CANARY: RouteIntent(90, 10),
    Phase.BAKING: all_to(GREEN),
    Phase.SUCCEEDED: all_to(GREEN),
}


def replicas(phase, **changes):
    """A leading and a standing-by controller on a Rollout whose route is in effect."""
    rollout = a_rollout(phase, **changes)
    production = NEW if phase in (Phase.BAKING, Phase.SUCCEEDED) else OLD
    one = World(a_state(rollout, production=production, productions=(OLDER, OLD, NEW)))
    one.serving(rollout, BEFORE[phase])
    return one, one.replica("two")


async def look(world):
    return await ModelLoop(world.ports, world.memory).look()


async def settle(*worlds, looks=20):
    for _ in range(looks):
        actions = [await look(world) for world in worlds]
        if all(action is None or isinstance(action, Wait) for action in actions):
            return
    raise AssertionError(f"still busy with {actions}")


async def later(world, seconds, *others):
    world.clock.time += seconds
    await settle(world, *others)


@pytest.mark.parametrize("phase", list(BEFORE))
async def test_who_stands_by_changes_nothing_in_any_phase(phase):
    one, two = replicas(phase)
    one.ledger.verdict = verdict("PASS")
    before = one.ledger.state
    for _ in range(5):
        one.clock.time += 100
        assert isinstance(await look(two), Wait)

    assert one.ledger.state == before
    assert (one.gateway.written, one.workloads.loads, one.ledger.asked) == ([], [], [])
    assert two.journal.notes == {}


async def test_a_rollout_goes_through_while_the_lead_changes_again_and_again():
    one, two = replicas(Phase.SUCCEEDED, candidate=OLD, baseline=None)
    one.ledger.state = a_state(one.rollout)
    await start_rollout(two.ports, two.memory, "3")
    one.ledger.verdict = verdict("PASS")
    seen = []
    for turn in range(400):
        one.lease.give(("one", "two")[turn // 12 % 2])
        one.metrics.count(100)
        one.clock.time += 1
        await look(one)
        await look(two)
        seen.append((one.rollout.phase, one.intent))
        if one.rollout.phase is Phase.SUCCEEDED:
            break
    blue = [intent.blue for phase, intent in seen if phase in (Phase.CANARY, Phase.BAKING)]

    assert one.rollout.phase is Phase.SUCCEEDED
    assert blue == sorted(blue), "no step was taken back"
    assert {intent.blue + intent.green for _, intent in seen} == {100}


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING])
async def test_a_new_leader_counts_anew_and_rolls_a_sick_candidate_back(phase):
    one, two = replicas(phase)
    await settle(one, two)
    one.metrics.count(40, errors=3)
    await later(one, 1, two)
    one.lease.give("two")
    await later(one, 1, two)
    assert two.memory.notes.tally.total.requests == 0

    one.metrics.count(40, errors=30)
    await later(one, 1, two)
    assert (one.rollout.phase, one.intent) == (Phase.ROLLED_BACK, all_to(BLUE))
    assert two.memory.last_rollback.automatic
    assert len(one.ledger.ended) == 1


async def test_who_leads_again_does_not_go_on_with_its_old_counts():
    one, two = replicas(Phase.CANARY)
    await settle(one, two)
    one.metrics.count(40, errors=40 // 20)
    await later(one, 1, two)
    one.lease.give("two")
    await later(one, 1, two)
    one.lease.give("one")
    await later(one, 1, two)

    assert one.memory.notes.tally.total.requests == 0


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.SHADOWING, Phase.CANARY, Phase.BAKING])
async def test_a_lead_that_is_lost_in_the_middle_of_a_step_leaves_it_to_the_next(phase):
    """The API hangs while the leader writes; the other takes over, and the write never comes."""
    one, two = replicas(phase)
    one.ledger.verdict = verdict("PASS")
    write, hung = one.gateway.write, []

    async def hangs(route, _expected):
        one.lease.give("two")
        await asyncio.sleep(30)
        hung.append(route)

    one.gateway.write = hangs
    for _ in range(30):
        one.clock.time += 20
        one.metrics.count(3000)
        await look(one)
        if one.lease.holder == "two":
            break
    assert one.lease.holder == "two" or phase is Phase.BAKING  # BAKING ends without a write
    one.gateway.write = write
    one.lease.give("two")
    for _ in range(30):
        one.clock.time += 20
        one.metrics.count(3000)
        await settle(one, two)

    assert hung == []
    assert one.rollout.phase is Phase.SUCCEEDED
    assert one.intent == all_to(GREEN)


@pytest.mark.parametrize("phase", [Phase.SHADOWING, Phase.CANARY, Phase.BAKING, Phase.SUCCEEDED])
async def test_a_rollback_by_hand_works_where_nobody_leads_and_is_recorded_by_the_leader(phase):
    one, two = replicas(phase)
    await settle(one, two)
    one.ledger.up = False
    done = await roll_back(two.ports, two.memory, "complaints")
    assert one.intent == all_to(BLUE)
    assert not done.recorded
    await later(one, 5, two)
    assert one.intent == all_to(BLUE)

    one.ledger.up = True
    await later(one, 5, two)
    assert one.rollout.phase in (Phase.ROLLED_BACK, Phase.ABORTED)
    assert one.ledger.ended[0].marker.reason == "complaints"
    assert one.intent == all_to(BLUE)


async def test_a_leaders_decision_on_the_route_before_a_rollback_is_refused():
    one, two = replicas(Phase.CANARY, step=1)
    await look(two)

    async def the_other_goes_back():
        await roll_back(two.ports, two.memory, "complaints")

    one.gateway.on_write = the_other_goes_back  # the leader wants 50/50 now
    assert await look(one) is None
    await settle(one, two)

    assert one.intent == all_to(BLUE)
    assert one.rollout.phase is Phase.ROLLED_BACK


async def test_a_step_that_the_leader_records_after_the_marker_does_not_win():
    one, two = replicas(Phase.CANARY, step=1)
    one.gateway.routes[MODEL] = replace(one.route, intent=RouteIntent(50, 50))
    await settle(one, two)
    one.ledger.verdict = verdict("PASS")
    advance = one.ledger.advance

    async def after_the_other_went_back(*arguments):
        one.ledger.advance = advance
        one.ledger.up = False
        await roll_back(two.ports, two.memory, "complaints")
        one.ledger.up = True
        return await advance(*arguments)

    one.ledger.advance = after_the_other_went_back
    one.metrics.count(3000)
    await later(one, 10)
    await settle(one, two)

    assert one.rollout.phase is Phase.ROLLED_BACK
    assert one.intent == all_to(BLUE)
    assert one.ledger.state.holding(Stage.PRODUCTION).digest == OLD


async def test_a_colour_that_was_gone_back_to_since_the_look_is_not_unloaded():
    one, _ = replicas(Phase.SUCCEEDED, baseline=None)
    observe = one.workloads.observe

    async def and_then_the_other_goes_back(model):
        colours = await observe(model)
        one.gateway.routes[MODEL] = replace(one.route, intent=all_to(BLUE))
        one.gateway.revisions[MODEL] += 1
        return colours

    one.workloads.observe = and_then_the_other_goes_back
    assert await look(one) is None
    assert set(one.workloads.colours) == {BLUE, GREEN}


async def test_an_earlier_production_is_loaded_by_the_leader_for_whoever_was_asked():
    one, two = replicas(Phase.SUCCEEDED)
    one.workloads.slow = True
    await look(two)
    asked = asyncio.create_task(roll_back(two.ports, two.memory, "older", to="1"))
    await asyncio.sleep(0)
    await settle(one, two)
    assert one.workloads.loads == [(BLUE, OLDER)]
    assert one.intent == all_to(GREEN)

    one.workloads.become_ready()
    await look(two)
    done = await asked
    await settle(one, two)
    assert (done.to, one.intent) == (OLDER, all_to(BLUE))
    assert one.route.wish is None
    assert one.ledger.state.holding(Stage.PRODUCTION).digest == OLDER


async def test_a_pause_that_was_resumed_elsewhere_gives_the_gate_its_whole_patience():
    one, two = replicas(Phase.CANARY)
    await settle(one, two)
    await later(one, 601, two)
    assert "INCONCLUSIVE" in one.rollout.paused

    await resume(two.ports, two.memory)
    await later(one, 1, two)
    assert one.rollout.paused is None
    assert one.memory.notes.resumed_at == one.clock.now()


async def test_who_stands_by_says_what_the_leader_published():
    one, two = replicas(Phase.CANARY)
    source = ServedModelFiles(a_served_model())
    leading = Loops(one.ports, source, PATIENCE, interval_seconds=60)
    standing_by = Loops(two.ports, source, PATIENCE, interval_seconds=60)
    await leading.follow()
    one.metrics.count(30, errors=1)
    one.memory = leading.find(MODEL)
    await look(one)
    await standing_by.publish()
    assert source.published == {}

    await leading.publish()
    await standing_by.follow()
    two.memory = standing_by.find(MODEL)
    await look(two)
    held = await one.gateway.read(MODEL)
    told, own = (status_document(world.memory, held, one.workloads.colours) for world in (two, one))
    assert told["verdict"]["outcome"] == "INCONCLUSIVE"
    assert told["canary"] == own["canary"] == {"requests": 30, "errors": 1, "over": 0}
    assert told == own
    await leading._end([MODEL])
    await standing_by._end([MODEL])


async def test_a_deleted_model_is_taken_away_by_whoever_leads_then():
    one, two = replicas(Phase.SUCCEEDED)
    source = ServedModelFiles(a_served_model())
    leading = Loops(one.ports, source, PATIENCE, interval_seconds=60)
    standing_by = Loops(two.ports, source, PATIENCE, interval_seconds=60)
    await leading.follow()
    await standing_by.follow()
    source.models = {}
    await standing_by.follow()
    one.clock.time += 11
    await standing_by.follow()
    assert standing_by.find(MODEL) is None
    assert MODEL in one.gateway.routes

    one.lease.give("two")  # the leader dies before it has seen it
    await standing_by.follow()
    assert MODEL not in one.gateway.routes
    assert not one.workloads.colours
    await leading._end([MODEL])


async def test_a_model_that_is_deleted_and_made_again_was_never_gone():
    one, _ = replicas(Phase.SUCCEEDED)
    source = ServedModelFiles(a_served_model())
    loops = Loops(one.ports, source, PATIENCE, interval_seconds=60)
    await loops.follow()
    for _ in range(3):
        source.models = {}
        await loops.follow()
        one.clock.time += 9
        await loops.follow()
        source.models = {MODEL: a_served_model()}
        await loops.follow()
        one.clock.time += 9

    assert one.intent == all_to(GREEN)
    assert set(one.workloads.colours) == {BLUE, GREEN}
    await loops._end([MODEL])


async def test_a_definition_that_is_deleted_takes_nothing_down():
    """Its objects go first; then no list answers, until somebody installs it again."""
    one, _ = replicas(Phase.SUCCEEDED)
    source = ServedModelFiles(a_served_model())
    loops = Loops(one.ports, source, PATIENCE, interval_seconds=60)
    await loops.follow()
    source.models = {}
    await loops.follow()
    source.up = False
    with pytest.raises(ServedModelsUnreachable):
        await loops.follow()
    one.clock.time += 3600
    source.up = True
    await loops.follow()
    source.models = {MODEL: a_served_model()}
    await loops.follow()

    assert one.intent == all_to(GREEN)
    assert loops.find(MODEL)
    await loops._end([MODEL])


async def test_what_a_replica_did_not_see_being_deleted_goes_on_serving():
    one, _ = replicas(Phase.SUCCEEDED)
    loops = Loops(one.ports, ServedModelFiles(), PATIENCE, interval_seconds=60)
    await loops.follow()

    assert one.intent == all_to(GREEN)


async def test_an_api_that_does_not_list_the_models_changes_nothing():
    one, _ = replicas(Phase.SUCCEEDED)
    source = ServedModelFiles(a_served_model())
    loops = Loops(one.ports, source, PATIENCE, interval_seconds=0.01)
    ready = asyncio.Event()
    running = asyncio.create_task(loops.run(ready.set))
    await ready.wait()
    source.up, source.models = False, {}
    for _ in range(5):
        await asyncio.sleep(0.01)
    assert loops.find(MODEL)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert one.intent == all_to(GREEN)


async def test_a_look_that_is_under_way_ends_before_the_loops_do():
    one, _ = replicas(Phase.CANARY, step=1)
    one.ledger.state = replace(one.ledger.state, rollout=a_rollout(Phase.CANARY, step=0))
    source = ServedModelFiles(a_served_model())
    loops = Loops(one.ports, source, PATIENCE, interval_seconds=3600)
    await loops.follow()
    writing, may_write = asyncio.Event(), asyncio.Event()

    async def slow():
        writing.set()
        await may_write.wait()

    one.gateway.on_write = slow
    one.ledger.state = replace(one.ledger.state, rollout=a_rollout(Phase.CANARY, step=1))
    loops.find(MODEL).wake.set()
    await writing.wait()
    ending = asyncio.create_task(loops._end([MODEL]))
    await asyncio.sleep(0)
    may_write.set()
    await ending

    assert one.intent == RouteIntent(50, 50)


async def test_a_pause_is_asked_for_at_any_replica():
    one, two = replicas(Phase.CANARY)
    await settle(one, two)
    assert await pause(two.ports, two.memory, "let me look")
    await settle(one, two)

    assert one.memory.waiting[0] == "Paused"
    assert two.memory.notes == Notes()
