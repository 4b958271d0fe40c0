"""HTTPRoutes on the API in memory: the Gateway port's suite, and what people do to them."""

import copy
import sys
from dataclasses import replace

import pytest
from rollout_controller_fake_kubernetes import ApiServer, KubernetesApi
from rollout_controller_fakes import MODEL

from lifecycle.rollouts import NOTHING_TO_SERVE, Colour, RouteIntent, all_to
from rollout_controller.adapters.gateway_api import GatewayApi
from rollout_controller.adapters.http_routes import ANNOTATION, GatewayPlace, http_route
from rollout_controller.ports import GatewayUnreachable, RouteMoved

pytestmark = pytest.mark.anyio
suite = sys.modules["rollout_controller_gateway_suite"]
a_route, put = suite.a_route, suite.put
BLUE, GREEN = Colour.BLUE, Colour.GREEN
PLACE = GatewayPlace("shop", "isogloss", "models", "public", timeout_seconds=2.5)
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes"
PATH = f"{ROUTES}/{MODEL}"


def conditions(generation, accepted="True", resolved="True"):
    told = {"observedGeneration": generation, "reason": "AsTold", "message": "as told"}
    return [
        {"type": "Accepted", "status": accepted, **told},
        {"type": "ResolvedRefs", "status": resolved, **told},
    ]


class Cluster(KubernetesApi):
    """An API server with a gateway's controller behind it, which a test can stop."""

    def __init__(self):
        super().__init__(ApiServer())
        self.controller = True
        self.gets = 0

    async def get(self, path):
        self.gets += 1
        return await super().get(path)

    async def apply(self, path, item, *, force=True):
        written = await super().apply(path, item, force=force)
        if self.controller:
            self.tell(conditions(written["metadata"]["generation"]))
        return written

    @property
    def held(self):
        return self.server.objects[PATH]

    def tell(self, said, gateway="public"):
        """Write a status, as a gateway's controller does."""
        parent = {"namespace": "models", "name": gateway}
        status = {"parents": [{"parentRef": parent, "conditions": said}]}
        changed = {**copy.deepcopy(self.held), "status": status}
        changed["metadata"]["resourceVersion"] += "s"
        self.server.objects[PATH] = changed


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def any_gateway(cluster):
    return GatewayApi(cluster, PLACE, None)


@pytest.fixture(name="gateway")
def the_same(any_gateway):
    return any_gateway


class TestGatewayApi(suite.GatewaySuite):
    pass


def rules(intent, **changes):
    return http_route(a_route(intent, **changes), PLACE)["spec"]["rules"]


def test_predictions_and_questions_go_to_our_own_services_by_weight():
    predict, ask = rules(RouteIntent(90, 10))

    assert [(m["method"], m["path"]["value"]) for m in predict["matches"]] == [
        ("POST", "/predict"),
        ("POST", "/v1/models/sentiment:predict"),
        ("POST", "/v2/models/sentiment/infer"),
    ]
    assert {m["path"]["type"] for m in ask["matches"]} == {"Exact"}
    backends = [(b["name"], b["port"], b["weight"]) for b in predict["backendRefs"]]
    assert backends == [("sentiment-blue", 80, 90), ("sentiment-green", 80, 10)]
    assert ask["backendRefs"] == predict["backendRefs"]
    assert predict["timeouts"] == {"request": "2s500ms"}


def test_a_colour_without_weight_is_not_named():
    assert [b["name"] for b in rules(all_to(GREEN))[0]["backendRefs"]] == ["sentiment-green"]


@pytest.mark.parametrize(("percent", "share"), [(40, {"percent": 40}), (100, {})])
def test_only_predictions_are_mirrored(percent, share):
    predict, ask = rules(replace(all_to(BLUE), mirror=GREEN, mirror_percent=percent))
    backend = {"group": "", "kind": "Service", "name": "sentiment-green", "port": 80}

    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}
    assert predict["filters"] == [mirror]
    assert "filters" not in ask


@pytest.mark.parametrize(
    ("hostnames", "written"),
    [(("*",), []), (("a.test", "*"), []), (("a.test:80", "a.test:81", "*.b"), ["a.test", "*.b"])],
)
def test_host_names_are_written_as_a_gateway_knows_them(hostnames, written):
    spec = http_route(a_route(all_to(BLUE), hostnames=hostnames), PLACE)["spec"]
    assert spec["hostnames"] == written


def test_with_nothing_to_serve_a_route_hangs_on_no_gateway():
    assert http_route(a_route(NOTHING_TO_SERVE), PLACE)["spec"]["parentRefs"] == []


async def test_going_back_is_one_request(gateway, cluster):
    await put(gateway, a_route(all_to(BLUE)))
    cluster.gets, cluster.server.writes = 0, []
    await gateway.write(a_route(all_to(GREEN), marker=suite.a_marker()), None)

    assert (cluster.gets, cluster.server.writes) == (0, [PATH])


async def test_a_status_that_moves_meanwhile_refuses_no_write(gateway, cluster):
    await put(gateway, a_route(all_to(BLUE)))
    revision = (await gateway.read(MODEL)).revision

    async def status_moves():
        cluster.tell(conditions(1))

    cluster.server.before_write = status_moves
    await gateway.write(a_route(all_to(GREEN)), revision)

    assert (await gateway.read(MODEL)).route.intent == all_to(GREEN)


async def test_a_rollback_between_reading_and_writing_wins(gateway, cluster):
    await put(gateway, a_route(RouteIntent(90, 10)))
    revision = (await gateway.read(MODEL)).revision

    async def somebody_goes_back():
        await gateway.write(a_route(all_to(BLUE), marker=suite.a_marker()), None)

    cluster.server.before_write = somebody_goes_back
    with pytest.raises(RouteMoved):
        await gateway.write(a_route(RouteIntent(50, 50)), revision)
    assert (await gateway.read(MODEL)).route.intent == all_to(BLUE)


def heavier(spec):
    spec["rules"][0]["backendRefs"][1]["weight"] = 50


def copied(spec):
    spec["rules"][0]["filters"] = [{"type": "RequestMirror"}]


def more_hosts(spec):
    spec["hostnames"] = ["elsewhere.test"]


def patient(spec):
    spec["rules"][1]["timeouts"] = {"request": "1h"}


def elsewhere(spec):
    spec["parentRefs"] = []


@pytest.mark.parametrize("edit", [heavier, copied, more_hosts, patient, elsewhere])
async def test_what_is_edited_by_hand_is_not_in_effect_and_not_ours(gateway, cluster, edit):
    route = a_route(RouteIntent(90, 10))
    await put(gateway, route)
    before = await gateway.read(MODEL)
    edit(cluster.held["spec"])
    cluster.held["metadata"]["generation"] += 1
    cluster.tell(conditions(cluster.held["metadata"]["generation"]))

    effect = await gateway.wait_in_effect(MODEL, 0)
    assert (effect.reached, "somebody changed it" in effect.reason) == (False, True)
    held = await gateway.read(MODEL)
    assert held.route == route
    with pytest.raises(RouteMoved):
        await gateway.write(route, before.revision)

    await gateway.write(route, held.revision)
    assert (await gateway.wait_in_effect(MODEL, 1)).reached
    assert cluster.held["spec"] == http_route(route, PLACE)["spec"]


@pytest.mark.parametrize("text", [None, "", "not json", "{}", '{"model": 1}', "[]"])
async def test_an_annotation_taken_away_or_spoilt_is_written_again(gateway, cluster, text):
    await put(gateway, a_route(all_to(BLUE)))
    cluster.held["metadata"]["annotations"] = {} if text is None else {ANNOTATION: text}

    assert await gateway.read(MODEL) is None
    assert not (await gateway.wait_in_effect(MODEL, 0)).reached
    await put(gateway, a_route(all_to(BLUE)))


async def test_a_route_deleted_by_hand_is_not_in_effect(gateway, cluster):
    await put(gateway, a_route(all_to(BLUE)))
    await cluster.delete(PATH)

    effect = await gateway.wait_in_effect(MODEL, 0)
    assert effect.reason == "HTTPRoute shop/sentiment is gone; it is written again"


async def test_without_a_controller_the_reason_is_told(gateway, cluster):
    cluster.controller = False
    await gateway.write(a_route(all_to(BLUE)), None)

    effect = await gateway.wait_in_effect(MODEL, 0.03)
    assert not effect.reached
    assert "no controller has answered for HTTPRoute shop/sentiment" in effect.reason


async def test_another_gateways_word_does_not_count(gateway, cluster):
    cluster.controller = False
    await gateway.write(a_route(all_to(BLUE)), None)
    cluster.tell(conditions(1), gateway="private")

    assert "no controller has answered" in (await gateway.wait_in_effect(MODEL, 0)).reason


@pytest.mark.parametrize("told", [conditions(1), []])
async def test_a_controller_that_has_not_looked_yet_is_said_to_be_silent(gateway, cluster, told):
    await put(gateway, a_route(all_to(BLUE)))
    cluster.controller = False
    await gateway.write(a_route(all_to(GREEN)), None)
    cluster.tell(told)

    with pytest.raises(GatewayUnreachable, match="has not answered for HTTPRoute shop/sentiment"):
        await gateway.wait_in_effect(MODEL, 0.03)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (conditions(1, accepted="False"), "Accepted is False"),
        (conditions(1, resolved="False"), "ResolvedRefs is False"),
    ],
)
async def test_what_the_gateway_refuses_is_told_in_its_words(gateway, cluster, said, word):
    cluster.controller = False
    await gateway.write(a_route(all_to(BLUE)), None)
    cluster.tell(said)

    effect = await gateway.wait_in_effect(MODEL, 0)
    assert f"says of HTTPRoute shop/sentiment: {word} (AsTold): as told" in effect.reason


async def test_notes_alone_are_in_effect_at_once(gateway, cluster):
    await put(gateway, a_route(all_to(BLUE)))
    cluster.controller = False
    await gateway.write(a_route(all_to(BLUE), ledger_seq=13), None)

    assert (await gateway.wait_in_effect(MODEL, 0)).reached


async def test_a_strangers_route_is_neither_taken_over_nor_removed(gateway, cluster):
    await cluster.create(ROUTES, {"metadata": {"name": MODEL}, "spec": {"rules": []}})

    with pytest.raises(GatewayUnreachable, match="not Isogloss's: rename it"):
        await gateway.read(MODEL)
    await gateway.remove(MODEL)
    assert cluster.held["spec"] == {"rules": []}


async def test_an_api_server_that_is_down_is_said_to_be(gateway, cluster):
    await put(gateway, a_route(all_to(BLUE)))
    cluster.server.down = True

    for question in (
        gateway.read(MODEL),
        gateway.write(a_route(all_to(GREEN)), None),
        gateway.wait_in_effect(MODEL, 1),
        gateway.remove(MODEL),
    ):
        with pytest.raises(GatewayUnreachable, match="got no answer"):
            await question


async def test_what_the_api_server_refuses_is_told(gateway, cluster):
    cluster.server.refused[PATH] = "hostnames: Too many: 17: must have at most 16 items"

    with pytest.raises(GatewayUnreachable, match="at most 16 items"):
        await gateway.write(a_route(all_to(BLUE)), None)
