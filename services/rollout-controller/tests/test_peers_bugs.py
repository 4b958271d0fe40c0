"""What went wrong elsewhere must not go wrong here: a test for each rule that a peer's bug taught.

Where the gateway or KServe is what went wrong, the test is beside its adapter, and named in
`BESIDE_THEIR_ADAPTERS`.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from rollout_controller_fakes import (
    MODEL,
    NEW,
    OLD,
    OLDER,
    START,
    World,
    a_policy,
    a_rollout,
    a_state,
    ready,
    unready,
    verdict,
)

from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.stages import Stage
from rollout_controller.alerts import Alert, Circumstances, reason_to_ignore
from rollout_controller.forward import Wait
from rollout_controller.judge import canary_gates, canary_measurements, judge_canary
from rollout_controller.operate import abort, start_rollout
from rollout_controller.ports import MetricsUnreachable
from rollout_controller.reconcile import ModelLoop
from rollout_controller.tallies import begin_tally

pytestmark = pytest.mark.anyio
BLUE, GREEN = Colour.BLUE, Colour.GREEN
SPLIT = RouteIntent(90, 10)
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)

BESIDE_THEIR_ADAPTERS = {
    "traefik 3.7: a mirror that is accepted and fails every request": (
        "test_mirroring.py::test_a_list_is_believed_and_silence_is_not"
    ),
    "flagger gateway_api.go: a mirror's percentage was ignored": (
        "test_gateway_api.py::test_only_predictions_are_mirrored"
    ),
    "flagger, Argo Rollouts: Accepted was taken for in effect": (
        "test_gateway_api.py::test_a_controller_that_has_not_looked_yet_is_said_to_be_silent"
    ),
    "envoyproxy/gateway#9075: a backend with nothing ready answers its share with 503": (
        "test_plan.py::test_no_weight_goes_to_a_colour_that_is_not_ready"
    ),
    "envoyproxy/gateway#7483: one invalid backend fails its whole rule": (
        "test_gateway_api.py::test_a_colour_without_weight_is_not_named"
    ),
    "envoyproxy/gateway#9775: a consistent hash makes weights nothing": (
        "test_served_model_objects.py::test_what_no_http_route_can_say_is_refused_and_not_passed_over"
    ),
    "kgateway#11548: weights that are all 0 are refused by Envoy": (
        "test_gateway_api.py::test_with_nothing_to_serve_a_route_hangs_on_no_gateway"
    ),
    "argo-cd#25284: two tools that write the same weights": (
        "test_gateway_api.py::test_what_is_edited_by_hand_is_not_in_effect_and_not_ours"
    ),
    "kserve#4626, #5443: Ready while the new ReplicaSet fails": (
        "test_workload_facts.py::test_kserves_own_word_makes_nothing_ready"
    ),
    "kserve predictor.go: whatever has its pair of labels is deleted": (
        "test_kserve.py::test_a_colour_is_three_objects_of_one_name"
    ),
    "kserve: a stable that was promoted away is a cold start, Argo Rollouts: gone after 30 s": (
        "test_plan.py::test_the_baseline_stays_loaded_after_success"
    ),
}


@pytest.mark.parametrize("place", BESIDE_THEIR_ADAPTERS.values(), ids=BESIDE_THEIR_ADAPTERS)
def test_each_bug_of_a_gateway_or_of_kserve_has_its_test(place):
    file, _, test = place.partition("::")
    assert f"def {test}(" in Path(__file__).with_name(file).read_text()


def in_phase(phase, intent, **changes):
    rollout = a_rollout(phase, **changes)
    production = NEW if phase in (Phase.BAKING, Phase.SUCCEEDED) else OLD
    world = World(a_state(rollout, production=production))
    world.serving(rollout, intent)
    return world


async def look(world, times=1):
    action = None
    for _ in range(times):
        action = await ModelLoop(world.ports, world.memory).look()
    return action


async def later(world, seconds, times=5):
    world.clock.time += seconds
    return await look(world, times)


async def test_the_route_goes_back_before_anything_is_ended():
    """argo-rollouts#1292: an abort scaled down what still served."""
    world = in_phase(Phase.CANARY, SPLIT)
    order = []
    write, stop = world.gateway.write, world.workloads.stop

    async def writing(route, expected):
        order.append(route.intent)
        await write(route, expected)

    async def stopping(model, colour):
        order.append(colour)
        await stop(model, colour)

    world.gateway.write, world.workloads.stop = writing, stopping
    await look(world)
    world.metrics.count(40, errors=30)
    await later(world, 1)

    assert order[0] == all_to(BLUE)
    assert order[-1] is GREEN
    assert BLUE not in order


@pytest.mark.parametrize("phase", [Phase.BAKING, Phase.SUCCEEDED])
async def test_a_baseline_that_is_not_ready_gets_no_users(phase):
    """flagger#1931, argo-rollouts#3888, kuberay#4601: all traffic to a stable that was not up."""
    world = in_phase(phase, all_to(GREEN))
    world.workloads.colours[BLUE] = unready(OLD)
    await look(world)
    world.metrics.count(40, errors=30)
    await later(world, 1)

    assert world.intent == all_to(GREEN)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.ABORTED])
async def test_an_abort_of_nothing_changes_nothing(phase):
    """argo-rollouts#1292 and #2982: an abort after the end scaled production away."""
    intent = all_to(GREEN if phase is Phase.SUCCEEDED else BLUE)
    world = in_phase(phase, intent)
    await look(world)
    before = (world.intent, dict(world.workloads.colours), len(world.gateway.written))

    assert not await abort(world.ports, world.memory, "again")
    assert (world.intent, dict(world.workloads.colours), len(world.gateway.written)) == before


async def test_what_is_inconclusive_waits_for_a_person_and_is_watched_meanwhile():
    """argo-rollouts#3850: an inconclusive step paused, and the checks beside it stopped."""
    world = in_phase(Phase.CANARY, SPLIT)
    world.ledger.policy = a_policy(max_seconds=60)
    await look(world)
    await later(world, 61)
    assert world.rollout.paused
    await later(world, 600)
    assert (world.rollout.phase, world.intent) == (Phase.CANARY, SPLIT)

    world.metrics.count(40, errors=30)
    await later(world, 1)
    assert world.rollout.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("phase", [Phase.SHADOWING, Phase.CANARY, Phase.BAKING])
async def test_a_third_version_on_the_way_never_leaves_users_without_one(phase):
    """argo-rollouts#3617: the second one's pods went while it still had weight."""
    intents = {Phase.SHADOWING: MIRRORED, Phase.CANARY: SPLIT, Phase.BAKING: all_to(GREEN)}
    world = in_phase(phase, intents[phase])
    world.ledger._stage(OLDER, Stage.STAGING)
    world.workloads.slow = True
    await look(world)
    await start_rollout(world.ports, world.memory, "1", supersede=True)
    await look(world, 4)

    assert world.intent == all_to(BLUE)
    assert world.workloads.colours[BLUE].ready
    assert world.workloads.colours[GREEN].digest == OLDER


async def test_a_version_that_never_comes_up_is_given_up_and_can_be_aborted():
    """argo-rollouts#4128: with pods that never came up neither deadline nor abort did anything."""
    for asked in (False, True):
        world = in_phase(Phase.PENDING, all_to(BLUE))
        world.workloads.colours[GREEN] = unready(NEW, 8500)
        await look(world)
        if asked:
            await abort(world.ports, world.memory, "enough")
        else:
            await later(world, 61)
        await look(world, 3)
        assert world.rollout.phase is Phase.ABORTED
        assert set(world.workloads.colours) == {BLUE}


async def test_what_is_tried_again_is_judged_on_new_counts():
    """argo-rollouts#2897: a retry went by the analysis of the try before."""
    world = in_phase(Phase.CANARY, SPLIT)
    await look(world)
    world.metrics.count(40, errors=30)
    await later(world, 1)
    assert world.rollout.phase is Phase.ROLLED_BACK
    world.ledger._stage(NEW, Stage.STAGING)
    again = await start_rollout(world.ports, world.memory, "3")
    await look(world, 4)
    canary = world.rollout.at(Phase.CANARY, world.clock.now(), 0)
    world.ledger.state = replace(world.ledger.state, rollout=canary, seq=99)
    action = await look(world, 4)

    assert world.memory.notes.tally.rollout == again.id != "r7"
    assert world.memory.notes.tally.total.requests == 0
    assert action.reason == "CanaryInconclusive"


async def test_counters_that_cannot_be_read_hold_and_never_pass():
    """Argo Rollouts ends in Error after four failures; a canary must wait, and go on afterwards."""
    world = in_phase(Phase.CANARY, SPLIT)
    await look(world)
    world.metrics.up = False
    action = await later(world, 500)
    assert (action.reason, world.intent) == ("HealthUnknown", SPLIT)

    world.metrics.up = True
    world.ledger.verdict = verdict("PASS")
    world.metrics.count(3000)
    await later(world, 10)
    assert world.rollout.step == 1


def test_no_data_is_no_pass():
    """Kayenta's nanStrategy turned silence into zeros, which passed."""
    silent = begin_tally(a_rollout(), {}, START)
    told = judge_canary(canary_gates(a_policy().policy), canary_measurements(silent, 150))

    assert told.outcome == "INCONCLUSIVE"


async def test_a_status_that_somebody_edits_lets_nothing_go_on():
    """kruise rollouts#352: approving by writing the status raced with the controller's own."""
    world = in_phase(Phase.CANARY, SPLIT, paused="ask the team")
    world.memory.told = {"phase": "CANARY", "verdict": "PASS", "paused": None}
    world.metrics.count(3000)
    action = await later(world, 10)

    assert action == Wait("Paused", "paused: ask the team; resume or abort it")


async def test_who_lost_the_lead_while_reading_writes_nothing_more():
    """flagger and Argo Rollouts had to learn that a deposed controller's writes go on."""
    world = in_phase(Phase.CANARY, MIRRORED)
    read = world.ports.ledger.fetch_state

    async def and_lose_the_lead(model):
        state = await read(model)
        world.lease.give("two")
        return state

    world.ledger.fetch_state = and_lose_the_lead
    await look(world)

    assert not world.gateway.written


async def test_a_written_weight_is_not_believed_before_the_gateway_has_it():
    """Argo Rollouts' Gateway API plugin: VerifyWeight always passed (plugin#32: so did mirrors)."""
    world = in_phase(Phase.CANARY, MIRRORED)
    world.gateway.effect = False
    await look(world, 3)
    world.metrics.count(3000)
    await later(world, 10)

    assert world.memory.notes.tally is None or world.memory.notes.tally.early
    assert world.rollout.step == 0


def test_an_alert_of_the_old_versions_fleet_is_not_the_candidates():
    """SageMaker's alarms count all traffic, so the old fleet's trouble rolled the new one back."""
    served = World().served
    wished = replace(served.alert_rollback, mode="rollBack")
    around = Circumstances(wished, a_rollout(Phase.CANARY), None, START + 60)
    labels = {"isogloss_rollback": "true", "model": MODEL, "colour": "blue"}
    alert = Alert(firing=True, starts_at=START + 30, labels=labels)

    assert "about blue" in reason_to_ignore(alert, around)
    assert reason_to_ignore(replace(alert, labels={**labels, "colour": "green"}), around) is None


async def test_a_candidate_whose_predictor_is_gone_is_not_called_unreadable():
    """A provider's error and a dead Candidate look alike to who only asks for metrics."""
    world = in_phase(Phase.CANARY, SPLIT)
    await look(world)

    async def dead(*_):
        raise MetricsUnreachable("it does not answer")

    world.metrics.read = dead
    world.workloads.colours[GREEN] = replace(
        ready(NEW, 8500), ready=False, since=world.clock.time, reason="it does not answer"
    )
    await later(world, 6)
    assert world.rollout.phase is Phase.ROLLED_BACK
