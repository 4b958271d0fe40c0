"""The rollout-controller's routes on a real Gateway: the suite that every gateway passes, and what
requests, people and missing Services make of them.
"""

import asyncio
import importlib.util
import json
import math
import os
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from forward import Forward
from kube import kubectl
from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from rollout_controller.adapters.gateway_api import GatewayApi
from rollout_controller.adapters.gateway_statistics import GatewayStatistics
from rollout_controller.adapters.http_routes import ANNOTATION, GatewayPlace
from rollout_controller.reconcile import ModelLoop
from servicekit.kubernetes_api import KubernetesApi, core, grouped

# The API server may be anywhere: KUBECONFIG says where.
pytestmark = [pytest.mark.cluster, pytest.mark.anyio, pytest.mark.enable_socket]
TESTS = Path(__file__).parents[2] / "services" / "rollout-controller" / "tests"
GATEWAY = os.environ.get("ISOGLOSS_E2E_GATEWAY", "models/models")
BLUE, GREEN = Colour.BLUE, Colour.GREEN


def _load(name, file):
    spec = importlib.util.spec_from_file_location(name, TESTS / file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fakes = _load("rollout_controller_fakes", "fakes.py")
suite = _load("rollout_controller_gateway_suite", "gateway_suite.py")
MODEL, a_route, put = fakes.MODEL, suite.a_route, suite.put


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def api():
    opened = await KubernetesApi.open("isogloss-rollout-controller")
    yield opened
    await opened.close()


@pytest.fixture
def gateway(api, namespace):
    owner, name = GATEWAY.split("/")
    return GatewayApi(api, GatewayPlace(namespace.name, "isogloss", owner, name, 10), None)


@pytest.fixture
async def any_gateway(api, gateway, namespace):
    """A Service is enough to be routed to; nobody calls here."""
    for name in (f"{MODEL}-blue", f"{MODEL}-green"):
        service = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
        await api.create(core(namespace.name, "services"), service)
    return gateway


@pytest.fixture
def path(namespace):
    return grouped("gateway.networking.k8s.io/v1", namespace.name, "httproutes", MODEL)


class TestGatewayApi(suite.GatewaySuite):
    pass


@pytest.fixture
def predict(namespace, host, gateway_url):
    """Two predictors, and predictions from a pod through the gateway: who answered which id."""
    for name in (f"{MODEL}-blue", f"{MODEL}-green", "caller"):
        namespace.start_echo(name)
    url = gateway_url.replace("/v1/models/any", f"/v1/models/{MODEL}:predict")

    def send(count):
        outcomes = namespace.calls("caller", url, host=host, count=count)
        assert {outcome["status"] for outcome in outcomes} == {200}
        return {each["answer"]["request_id"]: each["answer"]["name"] for each in outcomes}

    return send


async def settled(gateway, predict, route):
    """Put a route in effect and wait until every Envoy has it, which the status cannot say."""
    await put(gateway, route)
    name = f"{MODEL}-{'blue' if route.intent.blue else 'green'}"
    async with asyncio.timeout(30):
        while True:
            try:
                if name in set(predict(10).values()):
                    return
            except AssertionError:
                await asyncio.sleep(0.2)


@pytest.fixture
def routed(host):
    def make(intent, **changes):
        return a_route(intent, hostnames=(host,), **changes)

    return make


async def test_requests_go_by_weight(gateway, predict, routed):
    await settled(gateway, predict, routed(RouteIntent(90, 10)))
    answers = Counter(predict(1000).values())

    assert abs(answers[f"{MODEL}-green"] - 100) <= 4 * math.sqrt(1000 * 0.1 * 0.9)


async def test_a_share_of_the_predictions_is_copied_under_the_same_id(
    gateway, namespace, predict, routed, eventually
):
    mirrored = replace(all_to(BLUE), mirror=GREEN, mirror_percent=20)
    await settled(gateway, predict, routed(mirrored))
    answers = predict(1000)

    def copied():
        """Count the copies once no more of them come: nobody waited for those."""
        before, now = -1, 0
        while before != now:
            time.sleep(1)
            before, now = now, len(answers.keys() & set(namespace.seen(f"{MODEL}-green")))
        return now

    assert set(answers.values()) == {f"{MODEL}-blue"}
    assert abs(eventually(copied) - 200) <= 4 * math.sqrt(1000 * 0.2 * 0.8)


@pytest.fixture
async def envoys(namespace):
    """The statistics of each of the Gateway's Envoys; from here they have no name in common."""
    owner, name = GATEWAY.split("/")
    labels = {"namespace": owner, "name": name}
    ours = ",".join(f"gateway.envoyproxy.io/owning-gateway-{k}={v}" for k, v in labels.items())
    pods = json.loads(kubectl("get", "pods", "--all-namespaces", "-l", ours, "-o", "json"))["items"]
    if not pods:
        pytest.skip("the Gateway is not Envoy Gateway's")
    held = [each["metadata"] for each in pods if each["status"]["phase"] == "Running"]
    forwards = [Forward(pod["namespace"], f"pod/{pod['name']}", 19001) for pod in held]
    pages = [GatewayStatistics(forward.place(), namespace.name) for forward in forwards]
    yield pages
    for page, forward in zip(pages, forwards, strict=True):
        await page.close()
        forward.close()


async def test_the_envoys_count_each_copy_that_they_made(
    gateway, namespace, predict, routed, envoys
):
    await settled(gateway, predict, routed(replace(all_to(BLUE), mirror=GREEN, mirror_percent=20)))
    predict(300)

    async with asyncio.timeout(30):
        while True:
            counted = [sum((await each.mirrored(MODEL)).values()) for each in envoys]
            if sum(counted) == len(set(namespace.seen(f"{MODEL}-green"))) >= 30:
                return
            await asyncio.sleep(0.5)


@pytest.fixture
async def watched(namespace):
    """Each state of the route as a watcher gets it: its generation, and what its notes say."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "get", "httproute", "-n", namespace.name, "--watch", "-o"),
        'jsonpath={.metadata.generation} {.metadata.annotations.isogloss\\.dev/route}{"\\n"}',
        stdout=asyncio.subprocess.PIPE,
    )

    async def states():
        async with asyncio.timeout(10):
            async for line in process.stdout:
                generation, _, notes = line.partition(b" ")
                yield int(generation), json.loads(notes)

    yield states()
    process.kill()
    await process.wait()


async def test_marker_and_weights_change_in_one_write(any_gateway, watched):
    await put(any_gateway, a_route(RouteIntent(90, 10)))
    held = await any_gateway.read(MODEL)
    generation, notes = await anext(watched)
    assert (notes["green"], notes["marker"]) == (10, None)
    await any_gateway.write(held.route.going_back(suite.a_marker(), None), None)

    while notes["marker"] is None:
        assert notes["green"] == 10, "weights moved without the Marker"
        before, (generation, notes) = generation, await anext(watched)
    assert (generation, notes["green"]) == (before + 1, 0)


async def test_a_status_written_meanwhile_refuses_no_write(api, any_gateway, path):
    await put(any_gateway, a_route(all_to(BLUE)))
    held = await any_gateway.read(MODEL)
    await api.merge(path, {"metadata": {"labels": {"somebody": "else"}}})

    await any_gateway.write(a_route(all_to(GREEN)), held.revision)


WEIGHTS = {"spec": {"rules": [{"backendRefs": [{"name": f"{MODEL}-green", "port": 80}]}]}}
HOSTS = {"spec": {"hostnames": ["elsewhere.test"]}}
NO_NOTES = {"metadata": {"annotations": {ANNOTATION: None}}}


@pytest.mark.parametrize(
    "edit", [WEIGHTS, HOSTS, NO_NOTES, None], ids=["weights", "hosts", "notes", "all"]
)
async def test_the_loop_writes_back_what_was_changed_by_hand(api, any_gateway, path, edit):
    """The rest of the world is in memory; the Gateway is real, and so is kubectl's part in it."""
    rollout = fakes.a_rollout(Phase.SUCCEEDED)
    world = fakes.World(fakes.a_state(rollout, production=fakes.NEW))
    world.ports = replace(world.ports, gateway=any_gateway)
    world.serving(rollout, all_to(GREEN))
    loop = ModelLoop(world.ports, world.memory)
    await loop.look()
    written = await api.get(path)
    somebody = await KubernetesApi.open("kubectl-edit")
    await (somebody.merge(path, edit) if edit else somebody.delete(path))
    await somebody.close()
    assert not (await any_gateway.wait_in_effect(MODEL, 0)).reached

    await loop.look()
    mended = await api.get(path)
    assert mended["spec"] == written["spec"]
    assert mended["metadata"]["annotations"] == written["metadata"]["annotations"]
    assert (await any_gateway.wait_in_effect(MODEL, 5)).reached


async def test_a_service_that_is_missing_is_named(api, any_gateway, namespace):
    await put(any_gateway, a_route(all_to(BLUE)))
    await api.delete(core(namespace.name, "services", f"{MODEL}-green"))
    assert (await any_gateway.wait_in_effect(MODEL, 1)).reached, "nobody is sent there"

    await any_gateway.write(a_route(RouteIntent(90, 10)), None)
    effect = await any_gateway.wait_in_effect(MODEL, 2)
    assert not effect.reached
    assert "ResolvedRefs is False (BackendNotFound)" in effect.reason
    assert f"{MODEL}-green" in effect.reason
