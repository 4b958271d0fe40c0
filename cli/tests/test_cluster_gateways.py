import pytest

from isogloss.cluster.gateways import address_of, gateway_of, host_of, route_for
from isogloss.failures import Misused, Refused


def a_route(name="sentiment", hosts=(), *, note=True, **parent):
    annotations = {"isogloss.dev/route": "{}"} if note else {}
    return {
        "metadata": {"name": name, "namespace": "isogloss", "annotations": annotations},
        "spec": {"parentRefs": [{"name": "models", **parent}], "hostnames": list(hosts)},
    }


def a_gateway(*listeners, addresses=("10.0.0.1",)):
    return {
        "metadata": {"name": "models", "namespace": "models"},
        "spec": {
            "listeners": [
                dict(zip(("name", "protocol", "port"), e, strict=True)) for e in listeners
            ]
        },
        "status": {"addresses": [{"value": value} for value in addresses]},
    }


def test_the_only_models_route_is_taken_and_probes_are_none():
    assert route_for([a_route("probe", note=False), a_route()], None) == a_route()


def test_a_route_that_is_attached_to_no_gateway_serves_nobody():
    detached = a_route()
    detached["spec"]["parentRefs"] = []
    with pytest.raises(Refused, match="no model is served yet"):
        route_for([detached], None)


def test_of_several_models_the_host_name_chooses():
    routes = [a_route("a", ["a.example"]), a_route("b", ["*.b.example"])]

    assert route_for(routes, "a.example")["metadata"]["name"] == "a"
    assert route_for(routes, "x.b.example:8080")["metadata"]["name"] == "b"
    with pytest.raises(Misused, match=r"a: a\.example, b: \*\.b\.example"):
        route_for(routes, None)
    with pytest.raises(Refused, match=r"under the host name c\.example"):
        route_for(routes, "c.example")


@pytest.mark.parametrize(
    ("hosts", "host"), [((), None), (("*",), None), (("a.b",), "a.b"), (("*.b",), "sentiment.b")]
)
def test_a_host_name_is_sent_where_the_route_needs_one(hosts, host):
    assert host_of(a_route(hosts=hosts)) == host


def test_a_route_is_attached_to_a_gateway_of_its_own_namespace_unless_it_says_otherwise():
    assert gateway_of(a_route()) == ("isogloss", "models", None)
    other = a_route(namespace="models", sectionName="web")
    assert gateway_of(other) == ("models", "models", "web")


HTTP, HTTPS, ODD = ("web", "HTTP", 80), ("tls", "HTTPS", 443), ("alt", "HTTP", 8080)


@pytest.mark.parametrize(
    ("listeners", "named", "url"),
    [
        ([HTTPS, HTTP], None, "http://10.0.0.1"),
        ([HTTPS, HTTP], "tls", "https://10.0.0.1"),
        ([HTTP, ODD], "alt", "http://10.0.0.1:8080"),
    ],
)
def test_the_address_is_that_of_the_listener(listeners, named, url):
    assert address_of(a_gateway(*listeners), named) == url


def test_an_ipv6_address_is_bracketed():
    assert address_of(a_gateway(HTTP, addresses=["fd00::1"]), None) == "http://[fd00::1]"


@pytest.mark.parametrize("gateway", [a_gateway(HTTP, addresses=()), a_gateway(("x", "TCP", 1))])
def test_a_gateway_that_cannot_be_used_is_refused_with_what_to_give(gateway):
    with pytest.raises(Refused, match="--gateway-url"):
        address_of(gateway, None)
