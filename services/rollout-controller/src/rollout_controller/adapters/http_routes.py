"""One model's HTTPRoute: what a Route becomes, and what is read back of it. Pure.

An annotation holds the whole Route, Marker included, and the spec follows from it alone: a spec
that does not is somebody else's doing. Every field that the API server would fill in is written
out, so that what is read equals what was written.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.rollouts import Colour
from rollout_controller.ports import Effect
from rollout_controller.public_paths import predictions, questions
from rollout_controller.route_objects import Route, route_from_dict, route_to_dict

Document = dict[str, Any]
GROUP = "gateway.networking.k8s.io"
GROUP_VERSION = f"{GROUP}/v1"
ANNOTATION = "isogloss.dev/route"
MANAGED_BY = "app.kubernetes.io/managed-by"
FIELD_MANAGER = "isogloss-rollout-controller"
_SERVICE_PORT = 80


@dataclass(frozen=True)
class GatewayPlace:
    """Where routes, their Services and this service are (`namespace`); the name that all of this
    release's objects begin with (`instance`); the Gateway that routes hang on; the time limit of
    a request through it; and where this process reaches it (None: as its status says).
    """

    namespace: str
    instance: str
    gateway_namespace: str
    gateway_name: str
    timeout_seconds: float
    address: str | None = None

    @property
    def gateway(self) -> str:
        """Return the Gateway as people write it."""
        return f"{self.gateway_namespace}/{self.gateway_name}"

    def name_of(self, route: str) -> str:
        """Return an HTTPRoute as people find it."""
        return f"HTTPRoute {self.namespace}/{route}"


def http_route(route: Route, place: GatewayPlace) -> Document:
    """Return the object to apply."""
    annotation = canonical_json(route_to_dict(route)).decode()
    labels = {"isogloss.dev/model": route.model, **part_labels()}
    metadata = {"name": route.model, "labels": labels, "annotations": {ANNOTATION: annotation}}
    return route_object(metadata, _spec(route, place))


def route_object(metadata: Document, spec: Document) -> Document:
    """Return an HTTPRoute."""
    return {"apiVersion": GROUP_VERSION, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def part_labels() -> Document:
    """Return the labels of everything that this service writes."""
    return {"app.kubernetes.io/part-of": "isogloss", MANAGED_BY: FIELD_MANAGER}


def parent(place: GatewayPlace) -> Document:
    """Return the reference to the Gateway."""
    return {
        "group": GROUP,
        "kind": "Gateway",
        "namespace": place.gateway_namespace,
        "name": place.gateway_name,
    }


def service(name: str, port: int) -> Document:
    """Return a reference to a Service of the route's own namespace."""
    return {"group": "", "kind": "Service", "name": name, "port": port}


def mirror_filter(reference: Document, percent: int = 100) -> Document:
    """Return the filter that copies requests; all of them needs no percent, which fewer gateways
    know.
    """
    share = {} if percent == 100 else {"percent": percent}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": reference, **share}}


def read_route(document: Mapping[str, Any]) -> Route | None:
    """Read the annotation; None where it is not there or not what `http_route` wrote."""
    text = document["metadata"].get("annotations", {}).get(ANNOTATION)
    try:
        return route_from_dict(json.loads(text)) if text else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def is_ours(document: Mapping[str, Any]) -> bool:
    """Tell whether this service wrote the object, whatever became of its annotation."""
    return bool(document["metadata"].get("labels", {}).get(MANAGED_BY) == FIELD_MANAGER)


def revision(document: Mapping[str, Any]) -> str:
    """Return a digest of annotation and spec, without the status, which the gateway writes."""
    annotation = document["metadata"].get("annotations", {}).get(ANNOTATION)
    return sha256_digest(canonical_json([annotation, document.get("spec")]))


def effect_of(document: Mapping[str, Any], place: GatewayPlace) -> Effect | None:
    """Tell what the gateway does of an HTTPRoute; None while its controller has not looked at it
    since it was last changed.
    """
    name = place.name_of(document["metadata"]["name"])
    if not document["spec"].get("parentRefs"):
        return Effect(reached=True)  # hangs on no Gateway, so nobody has to say anything
    statuses = list(_statuses(document, place))
    if not statuses:
        return Effect(
            reached=False,
            reason=f"no controller has answered for {name} on Gateway {place.gateway}: is the "
            "Gateway there, and does a controller run for its class?",
        )
    generation = document["metadata"]["generation"]
    conditions = [_current(status, generation) for status in statuses]
    refused = [c for each in conditions for c in each.values() if c["status"] != "True"]
    if refused:
        said = f"{refused[0]['type']} is {refused[0]['status']} ({refused[0].get('reason')})"
        text = f"Gateway {place.gateway} says of {name}: {said}: {refused[0].get('message')}"
        return Effect(reached=False, reason=text)
    known = all({"Accepted", "ResolvedRefs"} <= each.keys() for each in conditions)
    return Effect(reached=True) if known else None


def route_effect(document: Mapping[str, Any], place: GatewayPlace) -> Effect | None:
    """Tell what the gateway does of a model's route, if that is as we wrote it."""
    route = read_route(document)
    if route is None or document["spec"] != _spec(route, place):
        name = place.name_of(document["metadata"]["name"])
        text = f"{name} is not as it was written: somebody changed it; it is written again"
        return Effect(reached=False, reason=text)
    return effect_of(document, place)


def _spec(route: Route, place: GatewayPlace) -> Document:
    """With nothing to serve the route hangs on no Gateway, which then answers 404 as for any path
    that it does not know: a rule without backends would be a 500.
    """
    serving = route.intent.blue or route.intent.green
    predict = [_match(*request) for request in predictions(route.model)]
    ask = [_match(*request) for request in questions(route.model)]
    answer: Document = {"backendRefs": _backends(route), "timeouts": _timeouts(place)}
    mirror = route.intent.mirror
    copies = {"filters": [_mirror(route, mirror)]} if mirror else {}
    return {
        "parentRefs": [parent(place)] if serving else [],
        "hostnames": _hostnames(route),
        "rules": [
            {"matches": predict, **answer, **copies},
            {"matches": ask, **answer},
        ],
    }


def _match(method: str, path: str) -> Document:
    return {"method": method, "path": {"type": "Exact", "value": path}}


def _hostnames(route: Route) -> list[str]:
    """A Gateway's listener has the port; every host name is said by an empty list, which keeps
    the field ours.
    """
    names = dict.fromkeys(name.partition(":")[0] for name in route.hostnames)
    return [] if "*" in names else list(names)


def _backends(route: Route) -> list[Document]:
    """Only who gets requests: a missing Service of weight 0 would make the whole route's status
    say no.
    """
    return [
        {**service(f"{route.model}-{colour}", _SERVICE_PORT), "weight": route.intent.weight(colour)}
        for colour in Colour
        if route.intent.weight(colour)
    ]


def _mirror(route: Route, colour: Colour) -> Document:
    reference = service(f"{route.model}-{colour}", _SERVICE_PORT)
    return mirror_filter(reference, route.intent.mirror_percent)


def _timeouts(place: GatewayPlace) -> Document:
    whole, rest = divmod(round(place.timeout_seconds * 1000), 1000)
    return {"request": (f"{whole}s" if whole else "") + (f"{rest}ms" if rest else "")}


def _statuses(document: Mapping[str, Any], place: GatewayPlace) -> Iterator[Mapping[str, Any]]:
    for status in document.get("status", {}).get("parents", []):
        reference = status["parentRef"]
        named = (reference.get("namespace", place.namespace), reference["name"])
        if named == (place.gateway_namespace, place.gateway_name):
            yield status


def _current(status: Mapping[str, Any], generation: int) -> dict[str, Mapping[str, Any]]:
    """Return the two conditions that decide, as far as they speak of this generation."""
    return {
        condition["type"]: condition
        for condition in status.get("conditions", [])
        if condition["type"] in ("Accepted", "ResolvedRefs")
        and condition.get("observedGeneration") == generation
    }
