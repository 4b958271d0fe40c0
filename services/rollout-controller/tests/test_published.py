"""The status that a ServedModel shows: whole, bounded, and as kstatus reads it."""

from dataclasses import replace

import pytest
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    PATIENCE,
    ServedModelFiles,
    World,
    a_rollout,
    a_served_model,
    a_state,
    gone,
    unready,
    verdict,
)

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.verdicts import Outcome, Reason, conclude
from rollout_controller.follow import Loops
from rollout_controller.observed import Asked
from rollout_controller.published import published_status
from rollout_controller.reconcile import ModelLoop

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=20)


async def published(phase, intent, refusal=None, **changes):
    rollout = a_rollout(phase, **changes)
    world = World(a_state(rollout))
    world.serving(rollout, intent)
    await ModelLoop(world.ports, world.memory).look()
    return world, published_status(world.memory, refusal)


def condition(status, kind):
    (found,) = [each for each in status["conditions"] if each["type"] == kind]
    return found


async def test_a_canary_is_shown_with_weights_versions_and_counts():
    _, status = await published(Phase.CANARY, RouteIntent(90, 10))

    assert (status["phase"], status["step"]) == ("CANARY", 0)
    assert status["weights"] == "blue 90 / green 10"
    assert status["route"] == {"blue": 90, "green": 10}
    assert status["production"] == f"v2 {OLD[:19]}"
    assert status["candidate"] == f"v3 {NEW[:19]}"
    assert status["stages"]["shadow"] == {"number": 3, "digest": NEW}
    assert status["colours"]["green"] == {"digest": NEW, "ready": True}
    assert status["canary"] == {"requests": 0, "errors": 0, "over": 0}
    assert "paused" not in status


async def test_a_mirror_is_shown_with_its_share():
    _, status = await published(Phase.SHADOWING, MIRRORED)

    assert status["weights"] == "blue 100 / green 0, mirror green 20 %"
    assert status["route"]["mirrorPercent"] == 20
    assert "step" not in status


async def test_before_the_first_version_nothing_is_served_and_that_is_said():
    world = World(a_state(None, production=None, productions=()))
    await ModelLoop(world.ports, world.memory).look()
    await ModelLoop(world.ports, world.memory).look()
    status = published_status(world.memory, None)

    assert status["weights"] == "none"
    assert status.keys().isdisjoint({"phase", "production", "candidate", "verdict"})
    assert condition(status, "Ready")["reason"] == "NothingToServe"
    assert condition(status, "Reconciling")["status"] == "False"


async def test_a_rollout_that_waits_for_its_gates_is_progressing_but_not_reconciling():
    _, status = await published(Phase.CANARY, RouteIntent(90, 10))

    assert condition(status, "Progressing")["status"] == "True"
    assert condition(status, "Reconciling")["status"] == "False"
    assert condition(status, "Stalled")["status"] == "False"


async def test_a_route_that_is_not_yet_as_wanted_is_reconciling():
    world, _ = await published(Phase.CANARY, RouteIntent(90, 10))
    world.gateway.effect = False
    await ModelLoop(world.ports, world.memory).look()
    said = condition(published_status(world.memory, None), "Reconciling")

    assert (said["status"], said["reason"]) == ("True", "RouteFollows")


@pytest.mark.parametrize("state", [unready(OLD), gone(OLD)])
async def test_a_predictor_that_is_not_ready_is_reconciling(state):
    world, _ = await published(Phase.CANARY, RouteIntent(90, 10))
    world.workloads.colours[BLUE] = state
    await ModelLoop(world.ports, world.memory).look()
    said = condition(published_status(world.memory, None), "Reconciling")

    assert (said["status"], said["reason"]) == ("True", "PredictorsFollow")
    assert "blue" in said["message"]


async def test_a_refused_spec_is_stalled_with_the_sentence_and_goes_on_being_served():
    _, status = await published(Phase.SUCCEEDED, all_to(GREEN), "canaryWeights is []")

    assert condition(status, "Stalled")["message"] == "canaryWeights is []"
    assert condition(status, "Ready")["status"] == "True"


async def test_texts_are_bounded_however_much_a_gate_says():
    world, _ = await published(Phase.SHADOWING, MIRRORED)
    reasons = [Reason("shadow", Outcome.INCONCLUSIVE, "why " * 1000) for _ in range(40)]
    rollout = world.rollout
    step = (rollout.id, rollout.phase, rollout.step)
    world.memory.asked = Asked(*step, 0.0, conclude(reasons))
    world.memory.waiting = ("GateInconclusive", "why " * 10_000)
    status = published_status(world.memory, None)

    assert status["verdict"] == "INCONCLUSIVE"
    assert len(status["verdictReasons"]) == 10
    assert {len(reason["text"]) for reason in status["verdictReasons"]} == {300}
    assert len(condition(status, "Progressing")["message"]) == 1000


async def test_every_condition_is_there_once():
    for phase, intent in ((Phase.CANARY, RouteIntent(90, 10)), (Phase.SHADOWING, MIRRORED)):
        _, status = await published(phase, intent)
        kinds = [each["type"] for each in status["conditions"]]
        assert len(kinds) == len(set(kinds))


async def test_the_leader_publishes_models_that_are_served_and_objects_that_are_refused():
    world = World(a_state(a_rollout(Phase.SUCCEEDED)))
    world.serving(world.rollout, all_to(GREEN))
    source = ServedModelFiles(a_served_model())
    source.refused = {"topic": "bakeSeconds is -1"}
    loops = Loops(world.ports, source, PATIENCE, interval_seconds=60)
    await loops.follow()
    await loops.publish()

    assert source.published[MODEL]["phase"] == "SUCCEEDED"
    stalled = condition(source.published["topic"], "Stalled")
    assert (stalled["status"], stalled["message"]) == ("True", "bakeSeconds is -1")
    assert condition(source.published["topic"], "Ready")["status"] == "False"
    await loops._end([MODEL])


async def test_a_look_at_an_older_spec_is_not_published_as_one_at_the_new():
    world = World(a_state(a_rollout(Phase.SUCCEEDED)))
    world.serving(world.rollout, all_to(GREEN))
    source = ServedModelFiles(a_served_model())
    loops = Loops(world.ports, source, PATIENCE, interval_seconds=3600)
    await loops.follow()
    source.models = {MODEL: a_served_model(bakeSeconds=5)}
    await loops.follow()
    await loops.publish()
    assert source.published == {}

    memory = loops.find(MODEL)
    async with memory.looked:
        memory.wake.set()
        await memory.looked.wait()
    await loops.publish()
    assert source.published[MODEL]["phase"] == "SUCCEEDED"
    await loops._end([MODEL])


async def test_a_verdict_on_an_earlier_step_is_not_shown():
    world, _ = await published(Phase.SHADOWING, MIRRORED)
    step = (world.rollout.id, Phase.PENDING, -1)
    world.memory.asked = Asked(*step, 0.0, verdict("PASS"))

    assert "verdict" not in published_status(world.memory, None)
