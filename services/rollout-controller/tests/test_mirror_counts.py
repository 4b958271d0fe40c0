"""What the gateway mirrored: counted while shadowing, told with the question for Evidence."""

from itertools import pairwise

import pytest
from rollout_controller_fakes import START, World, a_rollout, a_served_model, a_state

from lifecycle.rollouts import Colour, Phase, RouteIntent
from rollout_controller.mirror_counts import begin_mirror_tally
from rollout_controller.reconcile import ModelLoop

pytestmark = pytest.mark.anyio
PARTIAL = RouteIntent(100, 0, mirror=Colour.GREEN, mirror_percent=20)


def a_shadowing_world():
    served = a_served_model(mirrorPercent=20)
    world = World(a_state(a_rollout(Phase.SHADOWING)), served)
    world.serving(world.rollout, PARTIAL)
    return world


async def looking(world, seconds, copies):
    for _ in range(seconds):
        world.clock.time += 1
        world.gateway.copies = copies and {"envoy": world.gateway.copies["envoy"] + copies}
        await ModelLoop(world.ports, world.memory).look()


async def test_a_partial_mirror_is_counted_and_told():
    world = a_shadowing_world()
    await looking(world, 10, copies=7)

    mirror = world.pairs.mirror
    assert (world.pairs.percent, mirror.percent) == (20, 20)
    assert mirror.since >= world.pairs.since["r7"]
    times, counted = zip(*mirror.readings, strict=True)
    assert times[0] == mirror.since
    assert [b - a for a, b in pairwise(counted)] == [7] * (len(counted) - 1)


async def test_what_the_gateway_does_not_say_is_told_as_unknown():
    world = a_shadowing_world()
    await looking(world, 10, copies=None)

    assert (world.pairs.mirror.percent, world.pairs.mirror.readings) == (20, ())


def test_a_gateway_that_was_started_again_is_counted_on():
    tally = begin_mirror_tally("r7", {"envoy": 1000}, START)
    for second, count in enumerate((1010, 1030, 5), start=1):
        tally = tally.counting({"envoy": count}, START + second)

    assert tally.total == 35


def test_readings_stay_few_and_some_is_always_old_enough():
    tally = begin_mirror_tally("r7", {"envoy": 0}, START)
    for second in range(1, 20_000):
        tally = tally.counting({"envoy": second}, START + second)

    times = [time - START for time, _ in tally.readings]
    assert len(times) <= 120
    assert times[0] == 0
    assert times == sorted(times)
    assert all(
        any(lag / 2 <= times[-1] - time <= lag * 2 for time in times) for lag in (4, 60, 600)
    )
