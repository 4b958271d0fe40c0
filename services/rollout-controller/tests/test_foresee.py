"""What could never end is refused before it starts, in words that say what to do."""

from dataclasses import replace

import pytest
from rollout_controller_fakes import (
    NEW,
    OLD,
    OLDER,
    START,
    World,
    a_gate,
    a_policy,
    a_policy_document,
    a_rollout,
    a_served_model,
    a_state,
)

from lifecycle.model_states import Waiver
from lifecycle.policy_files import read_policy
from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from lifecycle.stages import Stage
from rollout_controller.deciding import Step, never_decided, steps_of, worth_knowing
from rollout_controller.foresee import NeverEnds, foresee
from rollout_controller.ledger_moves import HeldPolicy
from rollout_controller.noise_floors import NoiseFloor, limits_under
from rollout_controller.operate import start_rollout

pytestmark = pytest.mark.anyio
SHADOW, CANARY = ["SHADOW->CANARY"], ["SHADOW->PRODUCTION"]
NOISY = NoiseFloor(OLD, n=500, lower=0.16, point=0.2, upper=0.25, measured_at=START)
COMPARING = [{"measure": "error_difference", "at_most": 0.01}]


def a_policy_with(*gates, without=()):
    document = a_policy_document()
    kept = [gate for gate in document["gates"] if gate["name"] not in without]
    return read_policy({**document, "gates": [*kept, *gates]})


def limiting(measure, slice_name="all", guards=SHADOW, evidence="shadow", **limit):
    rule = {"measure": measure, "slice": slice_name, **(limit or {"at_most": 0.2})}
    return a_policy_with(a_gate("more", guards, evidence, [rule]))


def only_offline(gate, guards):
    """A policy whose Gate of that move is on what was measured long before."""
    quality = [{"measure": "macro_f1", "at_least": 0.8}]
    return a_policy_with(a_gate("more", guards, "offline", quality), without=[gate])


def a_world(policy=None, served=None, production=OLD):
    """Version 2 serves, version 3 stands in STAGING."""
    rollout = a_rollout(Phase.SUCCEEDED, candidate=OLD, baseline=None, candidate_colour=Colour.BLUE)
    world = World(a_state(rollout, production=production), served)
    world.ledger._stage(NEW, Stage.STAGING)
    if policy:
        world.ledger.policy = HeldPolicy("sha256:policy", policy)
    return world


async def test_a_policy_that_decides_is_no_reason_to_refuse():
    world = a_world()
    assert (await start_rollout(world.ports, world.memory, "3")).candidate == NEW


async def test_a_limit_under_the_noise_floor_is_refused_before_anything_begins():
    world = a_world()
    world.pairs.floor = NOISY
    with pytest.raises(NeverEnds) as refused:
        await start_rollout(world.ports, world.memory, "3")

    assert str(refused.value) == (
        "a rollout of version 3 would never end: shadow: disagreement on slice all is limited to "
        "15.00%, and the Baseline sha256:111111111111 differs from itself in 20.00% [16.00%, "
        "25.00%] of 500 texts asked twice (2023-11-14 22:13 UTC): a limit under that FAILs "
        "anything; set one above 25.00%"
    )
    assert world.rollout.phase is Phase.SUCCEEDED


def test_a_limit_that_a_short_run_cannot_tell_from_the_floor_asks_for_a_longer_one():
    short = replace(NOISY, n=20, lower=0.0, point=0.0, upper=0.16)
    (text,) = limits_under(a_policy().policy, short, frozenset())

    assert text.endswith(
        "measure with more texts (isogloss rollout noise), or set a limit above that"
    )
    assert limits_under(a_policy().policy, replace(short, upper=0.14), frozenset()) == []


@pytest.mark.parametrize(("allowed", "seconds"), [(True, 60), (True, -1), (False, 60)])
async def test_a_waived_limit_under_the_floor_is_let_through_while_waivers_are(allowed, seconds):
    world = a_world(read_policy({**a_policy_document(), "waivers_allowed": allowed}))
    world.pairs.floor = NOISY
    waiver = Waiver("shadow", SHADOW[0], "a drill", "ada", START + seconds, "sha256:waiver")
    versions = (replace(v, waivers=(waiver,)) for v in world.ledger.state.versions)
    world.ledger.state = replace(world.ledger.state, versions=tuple(versions))
    if allowed and seconds > 0:
        assert await start_rollout(world.ports, world.memory, "3")
    else:
        with pytest.raises(NeverEnds):
            await start_rollout(world.ports, world.memory, "3")


async def test_a_floor_that_is_not_known_refuses_nothing_and_is_said():
    world = a_world()
    unmeasured = await foresee(world.ports, world.memory, world.ledger.state)
    world.pairs.up = False
    unreachable = await foresee(world.ports, world.memory, world.ledger.state)

    assert "was never measured" in unmeasured.remarks[0]
    assert "isogloss rollout noise sentiment TEXTS" in unmeasured.remarks[0]
    assert "the drift-monitor is down" in unreachable.remarks[0]
    assert not unmeasured.refused
    assert not unreachable.refused


@pytest.mark.parametrize(
    ("policy", "spec", "said"),
    [
        (only_offline("shadow", SHADOW), {}, "no Gate on shadow evidence guards SHADOW->CANARY"),
        (only_offline("canary", CANARY), {}, "no Gate on canary evidence guards"),
        (limiting("error_ratio", evidence="canary"), {}, "none before users get the Candidate"),
        (limiting("disagreement", guards=CANARY), {}, "none after the shadow has ended"),
        (limiting("disagreement", "lang=de"), {}, "lang=de: nobody counts that Slice"),
        (limiting("disagreement", "lang"), {"slices": ["lang"]}, "nobody counts that Slice"),
        (limiting("disagreement", "language=de"), {"slices": ["language"]}, "nobody counts that"),
        (limiting("live_latency_ms_p95", "short"), {}, "latencies are counted on slice all only"),
        (limiting("coverage", "short", at_least=0.99), {"mirrorPercent": 20}, "while 20 %"),
        (limiting("error_ratio", "short", CANARY, "canary"), {}, "counted on slice all only"),
        (a_policy().policy, {"objective": {"latencyMilliseconds": 99}}, "slow_ms is 150"),
        (
            limiting("error_difference", guards=CANARY, evidence="canary"),
            {"strategy": "blueGreen"},
            "limit error_ratio here",
        ),
    ],
)
def test_what_can_never_be_decided_is_named(policy, spec, said):
    told = never_decided(policy, a_served_model(**spec), first=False)

    assert any(said in text for text in told), told


@pytest.mark.parametrize(
    ("policy", "spec"),
    [
        (a_policy().policy, {"strategy": "blueGreen"}),
        (limiting("disagreement", "short"), {}),
        (limiting("disagreement", "lang=de"), {"slices": ["lang"]}),
        (limiting("error_difference", guards=CANARY, evidence="canary"), {}),
        (limiting("error_difference", guards=CANARY, evidence="canary"), {"strategy": "shadow"}),
    ],
    ids=["at once", "of a length", "of a key", "in steps", "of a shadow that nobody sees"],
)
def test_what_can_be_decided_is_not(policy, spec):
    assert never_decided(policy, a_served_model(**spec), first=False) == []


def test_a_first_release_is_not_judged_on_traffic_that_there_is_not():
    live = a_gate("live", ["STAGING->PRODUCTION"], "canary", COMPARING)
    told = never_decided(a_policy_with(live), a_served_model(), first=True)

    (text,) = told
    assert text == (
        "live guards STAGING->PRODUCTION on canary evidence, of which there is none before a "
        "model's first Release; let it guard another move"
    )


def test_each_step_names_what_decides_it():
    told = steps_of(a_policy().policy, a_served_model())
    at_once = steps_of(a_policy().policy, a_served_model(strategy="blueGreen"))

    assert told == (
        Step(Phase.SHADOWING, 0, ("shadow",)),
        Step(Phase.CANARY, 10, ("canary",)),
        Step(Phase.CANARY, 50, ("canary",)),
        Step(Phase.BAKING, 100, watched_by=("canary",)),
    )
    assert [step.users for step in at_once] == [0, 100, 100]
    assert len(steps_of(a_policy().policy, a_served_model(strategy="shadow"))) == 1


def test_a_comparison_is_said_to_be_silent_while_all_users_have_the_candidate():
    policy = limiting("error_difference", guards=CANARY, evidence="canary")
    (text,) = worth_knowing(policy, a_served_model())
    assert text.startswith("more: error_difference says nothing while BAKING")


def test_a_partial_mirror_is_said_to_need_the_gateways_count():
    (text,) = worth_knowing(a_policy().policy, a_served_model(mirrorPercent=20))
    assert "unless the gateway's own count" in text


async def test_what_is_under_way_is_looked_past_to_its_baseline():
    world = World(a_state(a_rollout(Phase.BAKING), production=NEW))
    asked = []

    async def noise(_model, digest):
        asked.append(digest)

    world.pairs.noise = noise
    await foresee(world.ports, world.memory, world.ledger.state)
    assert asked == [OLD]


async def test_nothing_is_given_up_for_a_version_that_would_be_stuck():
    world = World(a_state(a_rollout()))
    world.ledger._stage(OLDER, Stage.STAGING)
    world.serving(a_rollout(), RouteIntent(90, 10))
    world.pairs.floor = NOISY
    with pytest.raises(NeverEnds):
        await start_rollout(world.ports, world.memory, "1", supersede=True)

    assert world.intent == RouteIntent(90, 10)
    assert world.intent != all_to(Colour.BLUE)
