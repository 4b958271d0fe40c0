"""Whether a gateway mirrors: what its class lists, what probe requests prove, and what follows."""

import httpx
import pytest
from fastapi import FastAPI
from rollout_controller_fake_kubernetes import ApiServer, KubernetesApi

from rollout_controller.adapters.gateway_mirroring import (
    ProbeWay,
    Sent,
    conclude_probe,
    listed_mirroring,
    probe_way,
)
from rollout_controller.adapters.http_routes import GatewayPlace
from rollout_controller.adapters.mirror_probe import MirrorProbe
from rollout_controller.mirror_arrivals import Arrival, MirrorArrivals
from rollout_controller.routes import mirror_probe_routes
from servicekit.problems import install_problem_pages

pytestmark = pytest.mark.anyio
PLACE = GatewayPlace("shop", "isogloss", "models", "public", timeout_seconds=10)
API = "/apis/gateway.networking.k8s.io/v1"
GATEWAY = f"{API}/namespaces/models/gateways/public"
CLASS = f"{API}/gatewayclasses/envoy"
PROBE = f"{API}/namespaces/shop/httproutes/isogloss-mirror-probe"
MIRROR, PERCENT = "HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"


def a_class(features=None):
    status = {} if features is None else {"supportedFeatures": features}
    metadata = {"name": "envoy", "uid": "c1", "generation": 1}
    return {"metadata": metadata, "status": status}


def a_gateway(*listeners, address="10.0.0.9"):
    return {
        "metadata": {"name": "public"},
        "spec": {
            "gatewayClassName": "envoy",
            "listeners": [*listeners] or [a_listener()],
        },
        "status": {"addresses": [{"value": address}] if address else []},
    }


def a_listener(protocol="HTTP", port=80, name="http", **hostname):
    return {"name": name, "protocol": protocol, "port": port, **hostname}


@pytest.mark.parametrize(
    ("features", "percent", "possible"),
    [
        (None, 100, "unknown"),
        ([], 100, "unknown"),
        ([{"name": MIRROR}], 100, True),
        ([MIRROR], 100, True),
        ([{"name": "HTTPRouteMethodMatching"}], 100, False),
        ([{"name": MIRROR}], 20, False),
        ([{"name": MIRROR}, {"name": PERCENT}], 20, True),
    ],
)
def test_a_list_is_believed_and_silence_is_not(features, percent, possible):
    told = listed_mirroring(a_class(features), percent)
    assert (told.possible if told else "unknown") == possible


def test_a_refusal_says_what_to_do():
    assert "does not list HTTPRouteRequestMirror" in listed_mirroring(a_class(["X"]), 100).reason
    assert "mirrorPercent to 100" in listed_mirroring(a_class([MIRROR]), 20).reason


@pytest.mark.parametrize(
    ("gateway", "way"),
    [
        (
            a_gateway(),
            ProbeWay("http", "http://10.0.0.9", "mirror-probe.isogloss.internal"),
        ),
        (
            a_gateway(a_listener("HTTPS", 443, "tls"), a_listener(port=8080)),
            ProbeWay("http", "http://10.0.0.9:8080", "mirror-probe.isogloss.internal"),
        ),
        (
            a_gateway(a_listener("HTTPS", 443, "tls", hostname="*.shop.test"), address="::1"),
            ProbeWay("tls", "https://[::1]", "mirror-probe.shop.test"),
        ),
        (a_gateway(address=None), "Gateway models/public has no address in its status yet"),
        (
            a_gateway(a_listener("TCP", 5432)),
            "Gateway models/public has no listener for HTTP or HTTPS",
        ),
    ],
    ids=["plain", "http first", "tls only", "no address", "no listener"],
)
def test_the_way_to_the_gateway_is_read_from_it(gateway, way):
    assert probe_way(gateway, PLACE) == way


def arrivals(count, times, ids="same"):
    return [
        Arrival(number, "" if ids == "none" else f"{number}{turn if ids == 'other' else ''}")
        for number in range(count)
        for turn in range(times)
    ]


@pytest.mark.parametrize(
    ("came", "statuses", "possible", "words"),
    [
        (arrivals(1, 2), [204] * 10, True, ""),
        (arrivals(30, 1), [204] * 60, False, "mirrored none"),
        (arrivals(30, 2, "other"), [204] * 60, False, "x-request-id of its own"),
        (arrivals(30, 2, "none"), [204] * 60, False, "x-request-id of its own or none"),
        ([], [500] * 60, False, "answers 500 as soon as a route mirrors"),
        (arrivals(5, 1), [204] * 5 + [404] * 55, None, "only 5 of 60"),
        ([], [None] * 10, None, "10 x no answer"),
    ],
    ids=["copied", "not copied", "other ids", "no ids", "fails", "too few", "silent"],
)
def test_what_a_probe_shows(came, statuses, possible, words):
    told = conclude_probe(Sent(statuses, came), "models/public")
    assert told.possible is possible
    assert words in told.reason


class Wire:
    """A gateway that passes probe requests on to this service, and copies of them if it `copies`;
    one of `others` goes to another replica.
    """

    def __init__(self, known, *, copies=True, others=1000):
        app = FastAPI()
        app.include_router(mirror_probe_routes(known))
        install_problem_pages(app)
        self.service = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s")
        self.copies = copies
        self.others = others
        self.up = True
        self.legs = 0
        self.seen = []

    def open(self):
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    async def answer(self, request):
        if not self.up:
            raise httpx.ConnectError("refused")
        self.seen.append(request)
        answer = await self.leg(request)
        if self.copies:
            await self.leg(request)
        return answer

    async def leg(self, request):
        self.legs += 1
        if self.legs % self.others == 0:
            return httpx.Response(404)  # it knows nothing of the probe
        return await self.service.post(request.url.raw_path.decode(), headers=request.headers)


class Cluster(KubernetesApi):
    """A Gateway whose controller accepts what is written at once, unless it is stopped."""

    def __init__(self, features=None):
        super().__init__(ApiServer())
        self.server.objects |= {GATEWAY: a_gateway(), CLASS: a_class(features)}
        self.controller = True

    async def apply(self, path, item, *, force=True):
        written = await super().apply(path, item, force=force)
        if self.controller:
            said = {"status": "True", "observedGeneration": written["metadata"]["generation"]}
            conditions = [{"type": each, **said} for each in ("Accepted", "ResolvedRefs")]
            parent = {"namespace": "models", "name": "public"}
            status = {"parents": [{"parentRef": parent, "conditions": conditions}]}
            self.server.objects[path]["status"] = status
        return written


def a_probe(cluster, **wire):
    known = MirrorArrivals()
    gateway = Wire(known, **wire)
    return MirrorProbe(cluster, PLACE, known, gateway.open, patience_seconds=0.1), gateway


async def test_requests_of_our_own_prove_a_mirror_once():
    cluster = Cluster()
    probe, gateway = a_probe(cluster)
    first, second = await probe.mirroring(100), await probe.mirroring(20)

    assert (first.possible, second.possible) == (True, True)
    assert len(gateway.seen) == 10
    assert gateway.seen[0].headers["host"] == "mirror-probe.isogloss.internal"
    assert PROBE not in cluster.server.objects


async def test_the_probe_names_only_this_service():
    cluster = Cluster()
    probe, _ = a_probe(cluster)
    written = []
    apply = cluster.apply

    async def seen(path, item, *, force=True):
        written.append((path, item["spec"]["rules"]))
        return await apply(path, item, force=force)

    cluster.apply = seen
    await probe.mirroring(100)
    ((path, (rule,)),) = written

    assert path == PROBE
    (backend,) = rule["backendRefs"]
    assert (backend["name"], backend["port"]) == ("isogloss-rollout-controller", 8300)
    assert rule["filters"][0]["requestMirror"]["backendRef"]["name"] == backend["name"]


async def test_with_two_replicas_part_of_the_copies_is_enough():
    probe, _ = a_probe(Cluster(), copies=False, others=2)
    assert (await probe.mirroring(100)).possible is False

    probe, _ = a_probe(Cluster(), others=3)
    assert (await probe.mirroring(100)).possible is True


async def test_a_listed_class_needs_no_probe():
    probe, gateway = a_probe(Cluster([{"name": MIRROR}]))
    assert (await probe.mirroring(100)).possible is True
    assert not gateway.seen


async def test_a_gateway_that_does_not_answer_is_not_asked_again_at_once():
    cluster = Cluster()
    probe, gateway = a_probe(cluster)
    gateway.up = False
    first = await probe.mirroring(100)
    gateway.up = True
    second = await probe.mirroring(100)

    assert (first.possible, "10 x no answer" in first.reason) == (None, True)
    assert second == first
    assert PROBE not in cluster.server.objects


async def test_a_newer_class_is_asked_anew():
    cluster = Cluster()
    probe, gateway = a_probe(cluster, copies=False)
    assert (await probe.mirroring(100)).possible is False
    gateway.copies = True
    cluster.server.objects[CLASS]["metadata"]["generation"] = 2

    assert (await probe.mirroring(100)).possible is True


async def test_a_gateway_that_is_not_there_is_named():
    cluster = Cluster()
    del cluster.server.objects[GATEWAY]
    probe, _ = a_probe(cluster)
    told = await probe.mirroring(100)

    assert told.possible is None
    assert "gateways/public not found" in told.reason


async def test_a_route_that_is_not_accepted_proves_nothing():
    cluster = Cluster()
    cluster.controller = False
    probe, gateway = a_probe(cluster)
    told = await probe.mirroring(100)

    assert told.possible is None
    assert "cannot be proven: no controller has answered" in told.reason
    assert not gateway.seen
    assert PROBE not in cluster.server.objects


@pytest.mark.parametrize("path", ["/mirror-probe/" + "0" * 32 + "?number=1", "/mirror-probe/x"])
async def test_nobody_else_can_make_anything_of_the_page(path):
    gateway = Wire(MirrorArrivals())
    answer = await gateway.service.post(path)

    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
