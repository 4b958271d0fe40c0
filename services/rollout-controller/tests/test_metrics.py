"""What `/metrics` says of a model, which alerts are written on."""

from dataclasses import replace

import pytest
from rollout_controller_fakes import MODEL, World, a_rollout, a_state

from lifecycle.rollouts import Phase, RouteIntent
from rollout_controller.conditions import status_document
from rollout_controller.metrics import FAULTS
from rollout_controller.operate import pause
from rollout_controller.reconcile import ModelLoop

pytestmark = pytest.mark.anyio


def shown(world, name, **labels):
    registry = world.ports.meters.registry
    return registry.get_sample_value(f"isogloss_rollout_{name}", {"model": MODEL, **labels})


def fault(world, condition):
    return shown(world, "fault", condition=condition)


def canary():
    rollout = a_rollout(Phase.CANARY, step=0)
    world = World(a_state(rollout))
    world.serving(rollout, RouteIntent(90, 10))
    return world


async def look(world):
    await ModelLoop(world.ports, world.memory).look()


async def test_a_healthy_canary_shows_its_phase_weights_and_objective():
    world = canary()
    await look(world)

    assert shown(world, "phase", phase="CANARY") == 1
    assert shown(world, "weight", colour="green") == 10
    assert shown(world, "phase_since_timestamp_seconds") == world.rollout.phase_since
    assert shown(world, "objective_error_ratio") == world.served.objective.error_ratio
    assert shown(world, "bake_seconds") == world.served.bake_seconds
    assert shown(world, "rollbacks_total", automatic="true") == 0
    assert {fault(world, condition) for condition in FAULTS} == {0}


async def test_a_paused_rollout_is_shown_as_such():
    world = canary()
    await look(world)
    assert shown(world, "paused") == 0

    await pause(world.ports, world.memory, "somebody looks at it")
    await look(world)
    assert shown(world, "paused") == 1


async def test_what_does_not_answer_is_a_fault_until_it_answers():
    world = canary()
    world.ledger.up = False
    await look(world)
    assert fault(world, "RegistryReachable") == 1

    world.ledger.up = True
    await look(world)
    assert fault(world, "RegistryReachable") == 0


async def test_a_marker_is_shown_until_the_ledger_has_it():
    world = canary()
    await look(world)
    world.metrics.count(40, errors=30)
    world.ledger.up = False
    world.clock.time += 1
    await look(world)
    await look(world)
    assert shown(world, "marker_unrecorded") == 1
    assert shown(world, "rollbacks_total", automatic="true") == 1

    world.ledger.up = True
    for _ in range(3):
        await look(world)
    assert shown(world, "marker_unrecorded") == 0


async def test_every_condition_of_the_status_can_be_shown_as_a_fault():
    world = canary()
    world.ledger.up = False
    await look(world)
    world.memory.fault = "something"
    seen = world.memory.seen
    held_up = {c: replace(s, holds="a node") for c, s in seen.colours.items()}
    seen = replace(seen, colours=held_up)
    types = set()
    for phase in (Phase.SHADOWING, Phase.CANARY):
        state = replace(seen.state, rollout=replace(world.rollout, phase=phase))
        world.memory.seen = replace(seen, state=state)
        conditions = status_document(world.memory, seen.held, seen.colours)["conditions"]
        types |= {condition["type"] for condition in conditions}

    assert types - {"Progressing"} == set(FAULTS)


async def test_a_model_that_is_no_longer_served_shows_nothing():
    world = canary()
    await look(world)
    world.ports.meters.forget(MODEL)

    assert shown(world, "paused") is None
    assert fault(world, "Ready") is None
    assert shown(world, "weight", colour="blue") is None
