"""The Gateway port's suite on the fake and on a real Envoy, and what Envoy does with requests."""

import asyncio
import sys
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import pytest
from rollout_controller_fakes import MODEL, Backend, a_rollout
from rollout_controller_fakes import EnvoyGateway as FakeGateway

from lifecycle.rollouts import Colour, RouteIntent, all_to
from rollout_controller.adapters.envoy import EnvoyGateway, EnvoyPlace
from rollout_controller.ports import GatewayUnreachable

pytestmark = pytest.mark.anyio
suite = sys.modules["rollout_controller_gateway_suite"]
a_route, a_marker, put = suite.a_route, suite.a_marker, suite.put
BLUE, GREEN = Colour.BLUE, Colour.GREEN


def a_place(directory, ports):
    directory.mkdir()
    return EnvoyPlace("127.0.0.1", ports[0], ports[1], directory, timeout_seconds=2)


@pytest.fixture
def place(tmp_path, ports):
    """Where nothing runs yet."""
    return a_place(tmp_path / "envoy", ports(2))


@pytest.fixture(scope="module")
def envoy(tmp_path_factory, start_envoy, ports):
    """Where an Envoy runs, the same one for all tests of this file."""
    place = a_place(tmp_path_factory.mktemp("shared") / "envoy", ports(2))
    EnvoyGateway(place).prepare()
    start_envoy(place.directory, place.admin_port)
    return place


@pytest.fixture
async def gateway(envoy):
    for name in ("routes.yaml", "clusters.yaml"):
        (envoy.directory / name).unlink()
    real = EnvoyGateway(envoy)
    real.prepare()
    yield real
    await real.close()


@pytest.fixture(params=["fake", "envoy"])
def any_gateway(request):
    return FakeGateway() if request.param == "fake" else request.getfixturevalue("gateway")


class TestGateway(suite.GatewaySuite):
    pass


async def test_an_envoy_that_is_not_there_is_said_to_be(place):
    gateway = EnvoyGateway(place)
    gateway.prepare()
    await gateway.write(a_route(all_to(BLUE)), None)

    with pytest.raises(GatewayUnreachable, match="start it with"):
        await gateway.wait_in_effect(MODEL, 0)
    await gateway.close()


async def test_a_new_controller_finds_every_route_in_the_files(place):
    first = EnvoyGateway(place)
    first.prepare()
    route = a_route(RouteIntent(90, 10), rollout=a_rollout(), ledger_seq=12, marker=a_marker())
    await first.write(route, None)
    await first.write(replace(route, model="topic", hostnames=("topic.test",)), None)
    await first.close()

    second = EnvoyGateway(place)
    second.prepare()

    assert (await second.read(MODEL)).route == route
    assert (await second.read("topic")).route.hostnames == ("topic.test",)
    await second.close()


@pytest.mark.parametrize("content", ["not json", "{}", '{"resources": []}'])
async def test_files_that_cannot_be_read_are_named(place, content):
    for name in ("routes.yaml", "clusters.yaml"):
        (place.directory / name).write_text(content)

    with pytest.raises(GatewayUnreachable, match=r"routes\.yaml or .* cannot be read.*Marker"):
        EnvoyGateway(place).prepare()


async def test_a_full_disk_is_said_and_leaves_what_was_held(place):
    gateway = EnvoyGateway(place)
    gateway.prepare()
    place.directory.rename(place.directory.with_name("elsewhere"))

    with pytest.raises(GatewayUnreachable, match=r"clusters\.yaml cannot be written"):
        await gateway.write(a_route(all_to(BLUE)), None)
    assert await gateway.read(MODEL) is None
    await gateway.close()


async def test_clusters_are_not_written_when_only_weights_change(gateway, envoy):
    await put(gateway, a_route(all_to(BLUE)))
    before = (envoy.directory / "clusters.yaml").stat()
    await put(gateway, a_route(RouteIntent(50, 50)))

    assert (envoy.directory / "clusters.yaml").stat().st_mtime_ns == before.st_mtime_ns


@asynccontextmanager
async def two_backends(blue_name="blue", green_name="green"):
    async with Backend(blue_name).running() as blue, Backend(green_name).running() as green:
        yield blue, green


@asynccontextmanager
async def callers(place):
    limits = httpx.Limits(max_connections=20)
    base = f"http://127.0.0.1:{place.port}"
    async with httpx.AsyncClient(base_url=base, limits=limits, timeout=10) as client:
        yield client


def to(blue, green):
    return {BLUE: blue.address, GREEN: green.address}


async def predict(client, **headers):
    return await client.post("/predict", json={"text": "good"}, headers=headers)


async def eventually(condition, seconds=5):
    deadline = asyncio.get_running_loop().time() + seconds
    # Another process acts; it has no event to wait for.
    while not condition() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert condition()


async def test_weights_are_what_requests_get(gateway, envoy):
    async with two_backends() as (blue, green), callers(envoy) as client:
        await put(gateway, a_route(RouteIntent(90, 10), to(blue, green)))
        answers = [(await predict(client)).text for _ in range(600)]

    # Binomial(600, 0.1): 60 with a standard deviation of 7.3.
    assert 30 <= Counter(answers)["green"] <= 95


async def test_a_sticky_user_keeps_to_one_version_and_never_goes_back_to_the_baseline(
    gateway, envoy
):
    users, sent = [f"user-{number}" for number in range(200)], {}
    async with two_backends() as (blue, green), callers(envoy) as client:
        for weight in (10, 50):
            split = RouteIntent(100 - weight, weight)
            await put(gateway, a_route(split, to(blue, green), sticky="x-user-id"))
            answers = [
                [(await predict(client, **{"x-user-id": user})).text for _ in range(2)]
                for user in users
            ]
            assert all(one == other for one, other in answers), "a user has one version"
            sent[weight] = {
                user for user, (one, _) in zip(users, answers, strict=True) if one == "green"
            }

    # Binomial(200, 0.1): 20 with a standard deviation of 4.2; of 0.5: 100 with 7.1.
    assert 5 <= len(sent[10]) <= 40
    assert 70 <= len(sent[50]) <= 130
    assert sent[10] <= sent[50], "who has the Candidate keeps it while it gets more users"


async def test_every_prediction_is_mirrored_with_the_same_id_and_host(gateway, envoy):
    async with two_backends() as (blue, green), callers(envoy) as client:
        mirrored = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
        await put(gateway, a_route(mirrored, to(blue, green)))
        answers = [(await predict(client)).text for _ in range(100)]
        await client.get(f"/v2/models/{MODEL}/ready")
        await eventually(lambda: len(green.requests) == 100)

        assert set(answers) == {"blue"}
        assert sorted(green.ids()) == sorted(blue.ids()[:100])
        assert {h["host"] for _, h, _ in green.requests} == {f"127.0.0.1:{envoy.port}"}


async def test_envoy_counts_what_it_mirrored(gateway, envoy):
    async with two_backends() as (blue, green), callers(envoy) as client:
        mirrored = replace(all_to(BLUE), mirror=GREEN, mirror_percent=30)
        await put(gateway, a_route(mirrored, to(blue, green)))
        before = (await gateway.mirrored(MODEL, GREEN))["envoy"]
        for _ in range(200):
            await predict(client)
        counted = (await gateway.mirrored(MODEL, GREEN))["envoy"] - before
        await eventually(lambda: len(green.requests) == counted)

        # Binomial(200, 0.3): 60 with a standard deviation of 6.5.
        assert 30 <= counted <= 90


async def test_a_mirror_of_a_dead_candidate_harms_nobody_and_is_counted(gateway, envoy, ports):
    async with Backend("blue").running() as blue, callers(envoy) as client:
        (nobody,) = ports(1)
        mirrored = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
        backends = {BLUE: blue.address, GREEN: f"127.0.0.1:{nobody}"}
        await put(gateway, a_route(mirrored, backends))
        before = (await gateway.mirrored(MODEL, GREEN))["envoy"]

        assert {(await predict(client)).status_code for _ in range(50)} == {200}
        assert (await gateway.mirrored(MODEL, GREEN))["envoy"] - before == 50


class Silence(Backend):
    """Takes every request and answers none; `most` connections were open at once."""

    most = 0

    async def _serve(self, reader, writer):
        self._open.add(writer)
        self.most = max(self.most, len(self._open))
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        self._open.discard(writer)


async def test_a_candidate_that_never_answers_holds_few_copies_and_each_is_counted(gateway, envoy):
    async with Backend("blue").running() as blue, Silence("green").running() as silence:
        mirrored = replace(all_to(BLUE), mirror=GREEN, mirror_percent=100)
        await put(gateway, a_route(mirrored, to(blue, silence)))
        before = (await gateway.mirrored(MODEL, GREEN))["envoy"]
        async with callers(envoy) as client:

            async def caller():
                return {(await predict(client)).status_code for _ in range(20)}

            statuses = await asyncio.gather(*(caller() for _ in range(20)))
        async with asyncio.timeout(30):  # some are counted when those before are given up
            while (await gateway.mirrored(MODEL, GREEN))["envoy"] - before != 400:  # noqa: ASYNC110 - Envoy has no event
                await asyncio.sleep(0.1)

    assert set().union(*statuses) == {200}
    assert silence.most <= 140, "128, and a few that it has not seen closed yet"


async def test_a_mirror_that_envoy_does_not_know_is_not_counted(gateway):
    async with Backend("blue").running() as blue:
        await put(gateway, a_route(all_to(BLUE), {BLUE: blue.address}))

        with pytest.raises(GatewayUnreachable, match="no statistics"):
            await gateway.mirrored("unheard-of", GREEN)


async def test_a_callers_id_is_passed_on_and_never_used_as_ours(gateway, envoy):
    async with two_backends() as (blue, green), callers(envoy) as client:
        await put(gateway, a_route(all_to(BLUE), to(blue, green)))
        answer = await predict(client, **{"x-request-id": "mine"})
        _, headers, _ = blue.requests[0]

        assert headers["x-client-request-id"] == "mine"
        assert headers["x-request-id"] not in ("mine", "")
        assert answer.headers["x-request-id"] == headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/predict", 200),
        ("POST", f"/v1/models/{MODEL}:predict", 200),
        ("POST", f"/v1/models/{MODEL}:explain", 200),
        ("POST", f"/v2/models/{MODEL}/infer", 200),
        ("GET", f"/v1/models/{MODEL}", 200),
        ("GET", f"/v2/models/{MODEL}/ready", 200),
        ("GET", "/v2/health/ready", 200),
        ("GET", "/metrics", 404),
        ("GET", "/readyz", 404),
        ("GET", "/predict", 404),
        ("POST", "/v1/models/other:predict", 404),
    ],
)
async def test_only_the_paths_of_predictions_are_public(gateway, envoy, method, path, status):
    async with two_backends() as (blue, green), callers(envoy) as client:
        await put(gateway, a_route(all_to(BLUE), to(blue, green)))

        assert (await client.request(method, path)).status_code == status


async def test_what_the_gateway_answers_itself_is_problem_json(gateway, envoy, ports):
    (nobody,) = ports(1)
    async with callers(envoy) as client:
        await put(gateway, a_route(backends={}))
        empty = await predict(client)
        await put(gateway, a_route(all_to(BLUE), {BLUE: f"127.0.0.1:{nobody}"}))
        dead = await predict(client)

    assert (empty.status_code, dead.status_code) == (503, 503)
    assert empty.headers["retry-after"] == "5"
    assert "no version in PRODUCTION yet" in empty.json()["detail"]
    assert dead.headers["content-type"] == "application/problem+json"
    assert dead.json()["status"] == 503


async def test_models_are_told_apart_by_host_name(gateway, envoy):
    async with two_backends("sentiment", "topic") as (one, two), callers(envoy) as client:
        await put(gateway, a_route(all_to(BLUE), {BLUE: one.address}, hostnames=("a.test",)))
        other = a_route(all_to(BLUE), {BLUE: two.address}, hostnames=("b.test",), model="topic")
        await put(gateway, other)
        hosts = ("a.test", "b.test", "c.test")
        answers = [await predict(client, host=host) for host in hosts]

    assert [a.text for a in answers[:2]] == ["sentiment", "topic"]
    assert answers[2].json()["detail"] == "no model is served under this host name"


async def test_no_request_fails_while_weights_flip_under_load(gateway, envoy):
    async with two_backends() as (blue, green), callers(envoy) as client:
        await put(gateway, a_route(all_to(BLUE), to(blue, green)))
        statuses, flipping = Counter(), True

        async def caller():
            while flipping:
                statuses[(await predict(client)).status_code] += 1

        load = [asyncio.create_task(caller()) for _ in range(8)]
        delays = []
        for turn in range(20):
            now, old = (GREEN, blue) if turn % 2 == 0 else (BLUE, green)
            started = asyncio.get_running_loop().time()
            await gateway.write(a_route(all_to(now), to(blue, green)), None)
            assert (await gateway.wait_in_effect(MODEL, 5)).reached
            effect = asyncio.get_running_loop().time()
            await asyncio.sleep(0.05)  # traffic on the new colour, so that a late one would show
            delays.append((max(old.last_seen - started, 0) * 1000, (effect - started) * 1000))
        flipping = False
        await asyncio.gather(*load)

    late, effects = (sorted(each) for each in zip(*delays, strict=True))
    print(  # noqa: T201 - measured, for whoever reads the run
        f"\n20 flips, {sum(statuses.values())} requests, statuses {dict(statuses)}; from the write "
        f"to the last request on the old colour: median {late[10]:.1f} ms, worst {late[-1]:.1f} ms;"
        f" to the effect read back: median {effects[10]:.1f} ms, worst {effects[-1]:.1f} ms"
    )
    assert set(statuses) == {200}
    assert late[-1] < 1000


async def test_a_moved_backend_is_in_effect_before_the_route_names_it(gateway, envoy):
    async with two_backends() as (first, second), callers(envoy) as client:
        await put(gateway, a_route(all_to(BLUE), {BLUE: first.address}))
        await put(gateway, a_route(all_to(BLUE), {BLUE: second.address}))

        assert (await predict(client)).text == "green"


async def test_what_envoy_refuses_never_comes_into_effect(gateway, envoy):
    async with Backend("blue").running() as blue, callers(envoy) as client:
        await put(gateway, a_route(all_to(BLUE), {BLUE: blue.address}))
        await gateway.write(a_route(all_to(GREEN), {BLUE: blue.address}), None)

        assert not (await gateway.wait_in_effect(MODEL, 0.3)).reached
        assert (await predict(client)).text == "blue"


async def test_a_restarted_envoy_does_what_the_files_say(place, start_envoy):
    gateway = EnvoyGateway(place)
    gateway.prepare()
    async with two_backends() as (blue, green), callers(place) as client:
        first = start_envoy(place.directory, place.admin_port)
        await put(gateway, a_route(all_to(BLUE), to(blue, green)))
        first.kill()
        first.wait()
        await gateway.write(a_route(all_to(GREEN), to(blue, green), marker=a_marker()), None)
        start_envoy(place.directory, place.admin_port)

        assert (await gateway.wait_in_effect(MODEL, 5)).reached
        assert (await predict(client)).text == "green"
    await gateway.close()
