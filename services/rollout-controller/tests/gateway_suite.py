"""What holds of the Gateway port on every gateway: the fake, a local Envoy, a cluster's Gateway.

A fixture `any_gateway` makes one for the model `sentiment`, with somewhere to send requests to in
both colours, and nothing written yet.
"""

from dataclasses import replace

import pytest
from rollout_controller_fakes import MODEL, OLD, START, a_rollout

from lifecycle.rollouts import NOTHING_TO_SERVE, Colour, Marker, RouteIntent, all_to
from rollout_controller.ports import RouteMoved
from rollout_controller.route_objects import Route, Wish

BLUE, GREEN = Colour.BLUE, Colour.GREEN
BACKENDS = {BLUE: "127.0.0.1:18401", GREEN: "127.0.0.1:18501"}
MIRRORED = replace(all_to(BLUE), mirror=GREEN, mirror_percent=40)


def a_route(intent=NOTHING_TO_SERVE, backends=BACKENDS, **changes):
    return replace(Route(MODEL, ("*",), intent, backends), **changes)


def a_marker():
    return Marker("r7", 12, "health", OLD, BLUE, START + 0.25, automatic=True)


async def put(gateway, route):
    await gateway.write(route, None)
    effect = await gateway.wait_in_effect(route.model, 5)
    assert effect.reached, effect.reason


class GatewaySuite:
    async def test_nothing_is_held_before_the_first_write(self, any_gateway):
        assert await any_gateway.read(MODEL) is None

    async def test_a_route_comes_back_whole(self, any_gateway):
        wish = Wish(GREEN, OLD, START + 60)
        noted = {"rollout": a_rollout(), "ledger_seq": 12, "marker": a_marker(), "wish": wish}
        noted["sticky"] = "x-user-id"
        route = a_route(MIRRORED, hostnames=("a.test", "b.test"), **noted)
        await put(any_gateway, route)

        assert (await any_gateway.read(MODEL)).route == route

    @pytest.mark.parametrize(
        "intent",
        [NOTHING_TO_SERVE, all_to(BLUE), RouteIntent(90, 10), MIRRORED, all_to(GREEN)],
        ids=["nothing", "blue", "split", "mirrored", "green"],
    )
    async def test_every_step_of_a_rollout_comes_into_effect(self, any_gateway, intent):
        await put(any_gateway, a_route(all_to(BLUE)))
        await put(any_gateway, a_route(intent))

        assert (await any_gateway.read(MODEL)).route.intent == intent

    async def test_a_write_on_an_old_reading_is_refused(self, any_gateway):
        await put(any_gateway, a_route(all_to(BLUE)))
        old = (await any_gateway.read(MODEL)).revision
        await any_gateway.write(a_route(all_to(BLUE), marker=a_marker()), None)

        with pytest.raises(RouteMoved):
            await any_gateway.write(a_route(all_to(GREEN)), old)
        assert (await any_gateway.read(MODEL)).route.marker == a_marker()

    async def test_a_write_on_the_newest_reading_is_done(self, any_gateway):
        await put(any_gateway, a_route(all_to(BLUE)))
        await any_gateway.write(a_route(all_to(GREEN)), (await any_gateway.read(MODEL)).revision)

        assert (await any_gateway.read(MODEL)).route.intent == all_to(GREEN)

    async def test_a_revision_stays_until_the_next_write(self, any_gateway):
        await any_gateway.write(a_route(all_to(BLUE)), None)
        first = (await any_gateway.read(MODEL)).revision
        assert (await any_gateway.wait_in_effect(MODEL, 5)).reached

        assert (await any_gateway.read(MODEL)).revision == first

    async def test_a_removed_model_is_held_no_more(self, any_gateway):
        await put(any_gateway, a_route(all_to(BLUE)))
        await any_gateway.remove(MODEL)
        await any_gateway.remove(MODEL)

        assert await any_gateway.read(MODEL) is None
