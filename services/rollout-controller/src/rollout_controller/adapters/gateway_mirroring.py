"""Whether a gateway mirrors: what its class says, how to prove it, what the proof says. Pure.

A class lists the features that it supports, or says nothing at all. What is not listed does not
work, though a route that asks for it may be accepted; from silence nothing follows, so requests of
our own must show it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout_controller.adapters.http_routes import (
    Document,
    GatewayPlace,
    mirror_filter,
    parent,
    part_labels,
    route_object,
    service,
)
from rollout_controller.mirror_arrivals import Arrival
from rollout_controller.ports import Mirroring

MIRROR = "HTTPRouteRequestMirror"
PERCENT = "HTTPRouteRequestPercentageMirror"
OWN_PORT = 8300
FEWEST_ARRIVALS = 20
"""With two replicas of ours a third of the requests that come here at all come twice, if they are
mirrored: that 20 come and none twice happens once in 3,000 probes."""

_OWN_HOST = "mirror-probe.isogloss.internal"
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}


@dataclass(frozen=True)
class ProbeWay:
    """How probe requests reach the gateway: a listener's name, an address, a host name."""

    listener: str
    url: str
    host: str


@dataclass(frozen=True)
class Sent:
    """What became of the probe requests: the answers' statuses, None where there was none."""

    statuses: Sequence[int | None]
    arrivals: Sequence[Arrival]


def listed_mirroring(gateway_class: Mapping[str, Any], percent: int) -> Mirroring | None:
    """Read the features that a GatewayClass lists; None where it lists nothing."""
    features = gateway_class.get("status", {}).get("supportedFeatures") or []
    names = {each if isinstance(each, str) else each.get("name") for each in features}
    if not names:
        return None
    name = gateway_class["metadata"]["name"]
    if MIRROR not in names:
        return Mirroring(
            possible=False,
            reason=f"GatewayClass {name} does not list {MIRROR} among its supportedFeatures, so "
            "no shadow is possible: use a Gateway of a class that mirrors requests",
        )
    if percent < 100 and PERCENT not in names:
        return Mirroring(
            possible=False,
            reason=f"GatewayClass {name} mirrors all requests or none ({PERCENT} is not among its "
            "supportedFeatures): set spec.mirrorPercent to 100",
        )
    return Mirroring(possible=True)


def probe_way(gateway: Mapping[str, Any], place: GatewayPlace) -> ProbeWay | str:
    """Choose a listener to send probe requests to; a sentence where there is none."""
    addresses = gateway.get("status", {}).get("addresses") or []
    address = place.address or (addresses[0]["value"] if addresses else None)
    if address is None:
        return f"Gateway {place.gateway} has no address in its status yet"
    listeners = [
        each for each in gateway["spec"]["listeners"] if each["protocol"] in _DEFAULT_PORTS
    ]
    if not listeners:
        return f"Gateway {place.gateway} has no listener for HTTP or HTTPS"
    chosen = min(listeners, key=lambda each: each["protocol"] != "HTTP")
    protocol = chosen["protocol"]
    shown = f"[{address}]" if ":" in address else address
    port = "" if chosen["port"] == _DEFAULT_PORTS[protocol] else f":{chosen['port']}"
    host = (chosen.get("hostname") or _OWN_HOST).replace("*", "mirror-probe", 1)
    return ProbeWay(chosen["name"], f"{protocol.lower()}://{shown}{port}", host)


def probe_route(tag: str, way: ProbeWay, place: GatewayPlace) -> Document:
    """Return a route that sends one path to this service, and copies of it, too."""
    own = service(f"{place.instance}-rollout-controller", OWN_PORT)
    rule = {
        "matches": [{"method": "POST", "path": {"type": "Exact", "value": probe_path(tag)}}],
        "backendRefs": [{**own, "weight": 1}],
        "filters": [mirror_filter(own)],
    }
    spec = {
        "parentRefs": [{**parent(place), "sectionName": way.listener}],
        "hostnames": [way.host],
        "rules": [rule],
    }
    return route_object({"name": probe_name(place), "labels": part_labels()}, spec)


def probe_name(place: GatewayPlace) -> str:
    """Return the name of a probe's route."""
    return f"{place.instance}-mirror-probe"


def probe_path(tag: str) -> str:
    """Return the path that only requests of this probe have."""
    return f"/mirror-probe/{tag}"


def copies_came(arrivals: Sequence[Arrival]) -> bool:
    """Tell whether any request came twice under one id."""
    times = Counter(each for each in arrivals if each.request_id)
    return any(count > 1 for count in times.values())


def conclude_probe(sent: Sent, gateway: str) -> Mirroring:
    """Say what a probe showed."""
    if copies_came(sent.arrivals):
        return Mirroring(possible=True)
    times = Counter(each.number for each in sent.arrivals)
    if any(count > 1 for count in times.values()):
        return Mirroring(
            possible=False,
            reason=f"Gateway {gateway} gives a mirrored copy an x-request-id of its own or none, "
            "so no pairs can be made: have it set the id before it mirrors",
        )
    if len(times) >= FEWEST_ARRIVALS:
        return Mirroring(
            possible=False,
            reason=f"Gateway {gateway} passed {len(times)} probe requests on and mirrored none, "
            "though it accepted the route: use a Gateway of a class that mirrors requests",
        )
    if set(sent.statuses) == {500}:
        return Mirroring(
            possible=False,
            reason=f"Gateway {gateway} answers 500 as soon as a route mirrors, though it accepted "
            "the route: use a Gateway of a class that mirrors requests",
        )
    seen = ", ".join(f"{n} x {s or 'no answer'}" for s, n in Counter(sent.statuses).items())
    return Mirroring(
        possible=None,
        reason=f"only {len(times)} of {len(sent.statuses)} probe requests through Gateway "
        f"{gateway} came here (answers: {seen}); is the way there and back open? It is tried again",
    )
