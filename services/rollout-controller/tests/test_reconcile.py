"""Whole Rollouts in memory: what the loop does to ledger, route and workloads, whatever fails."""

import asyncio
from dataclasses import replace

import pytest
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    PATIENCE,
    RegistryHttp,
    ServedModelFiles,
    World,
    a_policy,
    a_rollout,
    a_served_model,
    a_state,
    gone,
    verdict,
)

from lifecycle.evidence import evidence_from_document
from lifecycle.rollouts import NOTHING_TO_SERVE, Colour, Phase, RouteIntent, all_to
from lifecycle.subjects import subjects_of
from rollout_controller.conditions import status_document
from rollout_controller.follow import Loops
from rollout_controller.forward import Wait
from rollout_controller.operate import resume, start_rollout
from rollout_controller.ports import GatewayUnreachable, Mirroring
from rollout_controller.reconcile import ModelLoop
from rollout_controller.route_objects import HeldRoute

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)


async def settle(world, looks=20):
    """Look until there is nothing to do now."""
    for _ in range(looks):
        action = await ModelLoop(world.ports, world.memory).look()
        if action is None or isinstance(action, Wait):
            return action
    raise AssertionError(f"still busy with {action}")


async def later(world, seconds):
    world.clock.time += seconds
    return await settle(world)


def in_phase(phase, intent, step=-1, **changes):
    """A world in which a Rollout has come to a phase and its route is in effect."""
    rollout = a_rollout(phase, step, **changes)
    production = NEW if phase in (Phase.BAKING, Phase.SUCCEEDED) else OLD
    world = World(a_state(rollout, production=production))
    world.serving(rollout, intent)
    return world


async def test_before_the_first_release_the_route_says_that_there_is_nothing():
    world = World(a_state(None, production=None, productions=()))
    await settle(world)

    assert world.intent == NOTHING_TO_SERVE


async def test_a_first_release_is_loaded_judged_and_then_served():
    world = World(a_state(None, production=None, productions=()))
    world.workloads.slow = True
    await start_rollout(world.ports, world.memory, "3")
    await settle(world)
    assert (world.rollout.phase, world.intent) == (Phase.PENDING, NOTHING_TO_SERVE)

    world.workloads.become_ready()
    await settle(world)
    assert world.rollout.phase is Phase.PENDING  # its Gates are INCONCLUSIVE

    world.ledger.verdict = verdict("PASS")
    await later(world, 3)
    assert (world.rollout.phase, world.intent) == (Phase.SUCCEEDED, all_to(BLUE))


async def test_a_first_release_that_fails_its_gates_is_aborted_and_ended():
    world = World(a_state(None, production=None, productions=()))
    world.ledger.verdict = verdict("FAIL", "macro_f1 too low")
    await start_rollout(world.ports, world.memory, "3")
    await settle(world)

    assert world.rollout.phase is Phase.ABORTED
    assert "macro_f1 too low" in world.ledger.ended[0].reason
    assert world.intent == NOTHING_TO_SERVE
    assert not world.workloads.colours


async def test_a_candidate_goes_from_mirror_to_all_traffic_step_by_step():
    world = in_phase(Phase.SUCCEEDED, all_to(GREEN), candidate=OLD, baseline=None)
    world.ledger.state = a_state(world.rollout)
    await start_rollout(world.ports, world.memory, "3")
    await settle(world)
    seen = [world.intent]

    assert world.rollout.phase is Phase.SHADOWING
    assert world.workloads.loads == [(BLUE, NEW)]
    world.ledger.verdict = verdict("PASS")
    await later(world, 5)
    seen.append(world.intent)
    for _ in range(2):
        world.metrics.count(3000, errors=3, over=20)
        await later(world, 10)
        seen.append(world.intent)
    await later(world, 31)

    assert seen == [
        replace(all_to(GREEN), mirror=BLUE, mirror_percent=100),
        RouteIntent(blue=10, green=90),
        RouteIntent(blue=50, green=50),
        all_to(BLUE),
    ]
    assert world.rollout.phase is Phase.SUCCEEDED
    assert set(world.workloads.colours) == {BLUE, GREEN}, "the Baseline stays loaded"


async def test_the_mirrors_copies_never_count_in_the_canary():
    world = in_phase(Phase.SHADOWING, MIRRORED)
    world.ledger.verdict = verdict("PASS")
    world.metrics.count(5000, errors=5000)
    await settle(world)
    await later(world, 3)

    assert world.rollout.phase is Phase.CANARY
    assert world.memory.notes.tally.total.requests == 0


async def test_copies_that_were_still_waiting_do_not_count_in_the_canary_either():
    world = in_phase(Phase.SHADOWING, MIRRORED)
    world.ledger.verdict = verdict("PASS")
    world.metrics.in_flight = 40
    await settle(world)
    await later(world, 3)
    assert (world.rollout.phase, world.intent) == (Phase.CANARY, all_to(BLUE))

    world.metrics.in_flight = 0
    world.metrics.count(40, errors=40)
    await later(world, 1)
    assert world.intent == RouteIntent(90, 10)
    assert world.memory.notes.tally.total.requests == 0


async def test_pairs_are_counted_from_after_the_mirror_was_read_back():
    world = in_phase(Phase.PENDING, all_to(BLUE))
    began = world.clock.now()
    await settle(world)

    assert world.intent == MIRRORED
    assert world.pairs.since == {"r7": began + PATIENCE.pairing}


async def test_canary_evidence_is_signed_and_bound_to_what_was_measured():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    world.ledger.verdict = verdict("PASS")
    await settle(world)
    world.metrics.count(3000, errors=3, over=20)
    await later(world, 10)

    evidence = evidence_from_document(world.signed[0])
    state = world.ledger.state
    assert evidence.subjects == subjects_of(state, state.find(NEW))
    assert evidence.measurement("requests").counts == {"n": 3000, "errors": 3}
    assert evidence.produced_at >= world.ledger.state.rollout.started_at


async def test_a_failed_shadow_takes_the_mirror_away_before_it_is_recorded():
    world = in_phase(Phase.SHADOWING, MIRRORED)
    world.ledger.verdict = verdict("FAIL", "31 % disagree")
    order = []
    end = world.ledger.end

    async def watched(*arguments):
        order.append(world.intent)
        return await end(*arguments)

    world.ledger.end = watched
    await settle(world)
    await later(world, 3)

    assert order == [all_to(BLUE)]
    assert world.rollout.phase is Phase.ABORTED
    assert world.ledger.ended[0].verdict.outcome == "FAIL"
    assert set(world.workloads.colours) == {BLUE}


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING])
async def test_a_sick_candidate_is_rolled_back_by_itself_with_verdict_facts_and_evidence(phase):
    world = in_phase(phase, RouteIntent(90, 10) if phase is Phase.CANARY else all_to(GREEN))
    await settle(world)
    world.metrics.count(40, errors=30)
    await later(world, 1)

    (ending,) = world.ledger.ended
    assert (world.rollout.phase, world.intent) == (Phase.ROLLED_BACK, all_to(BLUE))
    assert ending.marker.automatic
    assert ending.verdict.outcome == "FAIL"
    assert ending.facts["canary"] == {"requests": 40, "errors": 30, "over": 0}
    assert ending.facts["milliseconds"] >= 0
    assert ending.evidence["statement"]["kind"] == "canary"
    assert set(world.workloads.colours) == {BLUE}


async def test_a_candidate_that_dies_under_traffic_is_rolled_back():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    await settle(world)
    world.workloads.colours[GREEN] = gone(NEW)
    await later(world, 1)

    assert (world.rollout.phase, world.intent) == (Phase.ROLLED_BACK, all_to(BLUE))


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING])
async def test_with_the_registry_and_the_drift_monitor_down_a_sick_candidate_still_goes_back(phase):
    world = in_phase(phase, RouteIntent(90, 10) if phase is Phase.CANARY else all_to(GREEN))
    await settle(world)
    world.ledger.up = world.pairs.up = False
    world.metrics.count(40, errors=30)
    await later(world, 1)
    assert world.intent == all_to(BLUE)
    assert not world.memory.last_rollback.recorded
    assert world.rollout.phase is phase

    await later(world, 60)
    assert world.intent == all_to(BLUE)

    world.ledger.up = True
    await settle(world)
    assert world.rollout.phase is Phase.ROLLED_BACK
    assert world.memory.last_rollback.recorded
    assert world.intent == all_to(BLUE)


async def test_a_controller_that_lost_everything_records_the_marker_it_finds():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    await settle(world)
    world.ledger.up = False
    world.metrics.count(40, errors=30)
    await later(world, 1)
    world.forget()
    await settle(world)
    assert world.intent == all_to(BLUE)

    world.ledger.up = True
    await settle(world)
    assert world.rollout.phase is Phase.ROLLED_BACK
    (ending,) = world.ledger.ended
    assert ending.facts["decided_at"] == ending.marker.written_at
    assert ending.facts["milliseconds"] is None, "who wrote the Marker knew, and is gone"


@pytest.mark.parametrize(
    ("phase", "step", "before", "after"),
    [
        (Phase.SHADOWING, -1, all_to(BLUE), MIRRORED),
        (Phase.CANARY, 0, MIRRORED, RouteIntent(90, 10)),
        (Phase.CANARY, 1, RouteIntent(90, 10), RouteIntent(50, 50)),
        (Phase.BAKING, -1, RouteIntent(50, 50), all_to(GREEN)),
        (Phase.ROLLED_BACK, -1, RouteIntent(50, 50), all_to(BLUE)),
        (Phase.ABORTED, -1, MIRRORED, all_to(BLUE)),
    ],
)
async def test_after_a_crash_between_ledger_and_route_the_route_follows(phase, step, before, after):
    world = in_phase(phase, before, step)
    await settle(world)

    assert world.intent == after


async def test_a_crash_in_the_middle_of_a_step_keeps_what_was_counted():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    await settle(world)
    world.metrics.count(30, errors=1)
    await later(world, 1)
    world.forget()
    world.metrics.count(10)
    await later(world, 1)

    assert world.memory.notes.tally.total.requests == 40


async def test_a_restarted_controller_goes_by_the_route_while_the_registry_is_down():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    world.ledger.up = False
    action = await settle(world)

    assert action.reason == "RegistryUnreachable"
    assert world.intent == RouteIntent(90, 10)
    assert len(world.gateway.written) == 0


async def test_the_drift_monitor_being_down_only_holds_the_shadow():
    world = in_phase(Phase.SHADOWING, MIRRORED)
    world.pairs.up = False
    action = await settle(world)

    assert action.reason == "DriftMonitorUnreachable"
    assert world.intent == MIRRORED


async def test_a_tick_that_lost_a_race_against_a_rollback_changes_nothing():
    """The route is written by a rollback between the look and the write that follows from it."""
    world = in_phase(Phase.CANARY, RouteIntent(90, 10), step=1)
    seen_before = world.route

    async def somebody_rolls_back():
        held = world.gateway.routes[MODEL]
        world.gateway.routes[MODEL] = replace(held, intent=all_to(BLUE))
        world.gateway.revisions[MODEL] += 1

    world.gateway.on_write = somebody_rolls_back
    assert await ModelLoop(world.ports, world.memory).look() is None
    assert world.intent == all_to(BLUE)
    assert seen_before.intent == RouteIntent(90, 10)


async def test_a_stale_sequence_is_no_fault_only_another_look():
    world = in_phase(Phase.SHADOWING, MIRRORED)
    world.ledger.verdict = verdict("PASS")
    await settle(world)
    world.clock.time += 3
    moved = replace(world.ledger.state, seq=world.ledger.state.seq + 1)
    fetch = RegistryHttp.fetch_state

    async def and_then_somebody_writes(model):
        state = await fetch(world.ledger, model)
        world.ledger.state, world.ledger.fetch_state = moved, lambda m: fetch(world.ledger, m)
        return state

    world.ledger.fetch_state = and_then_somebody_writes
    assert await ModelLoop(world.ports, world.memory).look() is None
    assert world.memory.fault is None
    await settle(world)
    assert world.rollout.phase is Phase.CANARY


async def test_what_was_read_before_a_rollout_began_does_not_hide_it():
    world = in_phase(Phase.SUCCEEDED, all_to(GREEN), candidate=OLD, baseline=None)
    world.ledger.state = a_state(world.rollout)
    fetch, reading, may_answer = world.ledger.fetch_state, asyncio.Event(), asyncio.Event()

    async def slow(model):
        state = await fetch(model)
        world.ledger.fetch_state = fetch
        reading.set()
        await may_answer.wait()
        return state

    world.ledger.fetch_state = slow
    look = asyncio.create_task(ModelLoop(world.ports, world.memory).look())
    await reading.wait()
    rollout = await start_rollout(world.ports, world.memory, "3")
    may_answer.set()
    await look

    assert world.memory.state.rollout == rollout


async def test_an_inconclusive_gate_asks_a_person_and_goes_on_watching():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    world.ledger.policy = a_policy(max_seconds=60)
    await settle(world)
    await later(world, 61)
    assert "CANARY is INCONCLUSIVE after 61 s" in world.rollout.paused

    world.metrics.count(40, errors=30)
    await later(world, 1)
    assert world.rollout.phase is Phase.ROLLED_BACK


async def test_a_candidate_that_is_sick_before_its_next_step_is_in_effect_gets_no_more_users():
    """The ledger has the step, but the route could not be written: users go by the one before."""
    world = in_phase(Phase.BAKING, RouteIntent(50, 50))
    write = world.gateway.write
    world.gateway.write = refuse_writes
    await settle(world)
    world.metrics.count(40, errors=30)
    await later(world, 1)
    world.gateway.write = write
    await later(world, 1)

    assert world.gateway.written[0].intent == all_to(BLUE)
    assert world.rollout.phase is Phase.ROLLED_BACK


async def refuse_writes(_route, _expected):
    raise GatewayUnreachable("routes.yaml cannot be written")


async def test_what_was_counted_early_is_let_go_of_when_the_step_begins():
    world = in_phase(Phase.BAKING, RouteIntent(50, 50))
    write, world.gateway.write = world.gateway.write, refuse_writes
    await settle(world)
    world.metrics.count(900)
    await later(world, 1)
    assert world.memory.notes.tally.early
    world.gateway.write = write
    await later(world, 1)

    assert not world.memory.notes.tally.early
    assert world.memory.notes.tally.total.requests == 0


async def test_a_route_that_never_takes_effect_is_said_and_nothing_moves_on():
    world = in_phase(Phase.CANARY, MIRRORED)
    world.gateway.effect = False
    assert await settle(world) is None

    assert "not in effect" in world.memory.fault
    assert world.memory.notes.tally is None


async def test_a_gateway_that_cannot_mirror_pauses_the_rollout_before_its_shadow():
    world = in_phase(Phase.SUCCEEDED, all_to(GREEN), candidate=OLD, baseline=None)
    world.ledger.state = a_state(world.rollout)
    world.gateway.mirrors = Mirroring(possible=False, reason="use another class")
    await start_rollout(world.ports, world.memory, "3")
    await settle(world)
    assert (world.rollout.phase, world.intent) == (Phase.PENDING, all_to(GREEN))
    assert world.rollout.paused == "the gateway cannot mirror: use another class"

    world.gateway.mirrors = Mirroring(possible=True)
    await resume(world.ports, world.memory)
    await settle(world)
    assert world.rollout.phase is Phase.SHADOWING


async def test_what_the_gateway_does_not_do_is_said_with_its_reason():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    world.gateway.effect = False
    await settle(world)

    (told,) = (c for c in conditions_of(world) if c["type"] == "GatewayInEffect")
    assert told["status"] == "False"
    assert told["message"].startswith("Envoy did not take it over")


def conditions_of(world):
    held = HeldRoute(world.route, "1")
    return status_document(world.memory, held, world.workloads.colours)["conditions"]


async def test_models_come_change_and_go_with_their_served_models():
    world = World(a_state(None, production=None, productions=()))
    source = ServedModelFiles(a_served_model())
    loops = Loops(world.ports, source, PATIENCE, interval_seconds=60)
    await loops.follow()
    assert loops.find(MODEL).served.bake_seconds == 30

    source.models = {
        MODEL: a_served_model(bakeSeconds=5),
        "topic": a_served_model("topic"),
    }
    await loops.follow()
    assert loops.find(MODEL).served.bake_seconds == 5
    assert loops.find("topic") is None
    assert "'*', which sentiment has" in loops.refused["topic"]

    source.models = {"topic": a_served_model("topic")}
    await loops.follow()
    assert loops.find(MODEL), "it may come again"
    assert "'*', which sentiment has" in loops.refused["topic"]

    world.clock.time += 11
    await loops.follow()
    assert loops.find(MODEL) is None
    assert MODEL not in world.gateway.routes
    await loops.follow()
    assert loops.find("topic")
    source.models = {}
    await loops.follow()


async def test_predictors_that_cannot_be_seen_stay_as_they_were():
    world = in_phase(Phase.CANARY, RouteIntent(90, 10))
    await settle(world)
    world.workloads.up = False
    waits = await later(world, 100)

    assert waits.reason == "WorkloadsUnreachable"
    assert world.rollout.phase is Phase.CANARY
    (told,) = (c for c in conditions_of(world) if c["type"] == "WorkloadsVisible")
    assert told["message"] == "the API server is down; predictors stay as they were last seen"


async def test_a_node_that_a_predictor_holds_is_named():
    world = in_phase(Phase.SUCCEEDED, all_to(GREEN))
    state = world.workloads.colours[GREEN]
    world.workloads.colours[GREEN] = replace(state, holds="Node node-1 cannot be drained")
    await settle(world)

    (told,) = (c for c in conditions_of(world) if c["type"] == "NodesDrainable")
    assert (told["status"], told["message"]) == ("False", "Node node-1 cannot be drained")


async def test_a_loop_looks_again_at_once_after_it_did_something():
    world = in_phase(Phase.PENDING, all_to(BLUE))
    task = asyncio.create_task(ModelLoop(world.ports, world.memory).run(interval_seconds=3600))
    async with asyncio.timeout(5), world.memory.looked:
        await world.memory.looked.wait_for(lambda: world.pairs.since)
    task.cancel()

    assert world.intent == MIRRORED
