"""Envoy's configuration files as documents: what a Route becomes, and how it is read back. Pure.

With `envoy_clusters` everything that is special about Envoy's schema (v3) stands here; when and how
the files are replaced is `envoy`'s.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.rollouts import Colour, RouteIntent
from rollout_controller.adapters.envoy_clusters import (
    CLUSTERS,
    TYPE,
    Document,
    address_document,
    addresses_in,
    cluster_name,
    mirror_cluster_name,
    mirror_colour,
    versioned,
)
from rollout_controller.public_paths import predictions, questions
from rollout_controller.route_objects import (
    Route,
    read_route_notes,
    read_wish,
    route_notes,
    route_to_dict,
)

ROUTES = "routes.yaml"
ROUTE_CONFIG = "isogloss"
_NOTES = "isogloss"
_MOST_CONNECTIONS = 20_000


def bootstrap(directory: str, listen: tuple[str, int], admin: tuple[str, int]) -> Document:
    """Return what Envoy is started with: its admin page, one listener, and where to look for
    routes and clusters. None of it changes while models come and go.
    """
    return {
        "node": {"id": "isogloss-gateway", "cluster": "isogloss"},
        "admin": {"address": address_document(*admin)},
        "dynamic_resources": {"cds_config": _watched(directory, CLUSTERS)},
        "static_resources": {"listeners": [_listener(directory, listen)]},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{TYPE}.extensions.resource_monitors.downstream_connections"
                        ".v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": _MOST_CONNECTIONS,
                    },
                }
            ]
        },
    }


def routes_document(routes: Iterable[Route], timeout_seconds: float) -> Document:
    """Return one virtual host per model, and one for whoever asks for none of them."""
    hosts = [_virtual_host(route, timeout_seconds) for route in routes]
    if not any("*" in host["domains"] for host in hosts):
        hosts.append(_no_model())
    name = {"@type": f"{TYPE}.config.route.v3.RouteConfiguration", "name": ROUTE_CONFIG}
    return versioned([{**name, "virtual_hosts": hosts}])


def read_routes(document: Mapping[str, Any], clusters: Mapping[str, Any]) -> dict[str, Route]:
    """Read what `routes_document` and `clusters_document` wrote, by model."""
    addresses = addresses_in(clusters["resources"])
    hosts = document["resources"][0]["virtual_hosts"]
    return {host["name"]: _read_host(host, addresses) for host in hosts if "metadata" in host}


def revision(route: Route) -> str:
    """Return a digest of all that one model's Route says."""
    return sha256_digest(canonical_json(route_to_dict(route)))


def _listener(directory: str, listen: tuple[str, int]) -> Document:
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "public",
        "rds": {
            "route_config_name": ROUTE_CONFIG,
            "config_source": _watched(directory, ROUTES),
        },
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
        "early_header_mutation_extensions": [_own_request_id()],
        "local_reply_config": {"body_format": _problem_json()},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    name = "envoy.filters.network.http_connection_manager"
    filters = [{"name": name, "typed_config": manager}]
    return {
        "name": "public",
        "address": address_document(*listen),
        "filter_chains": [{"filters": filters}],
    }


def _own_request_id() -> Document:
    """The id joins pairs and feedback, so it is always Envoy's; a caller's own is passed on."""
    theirs = {"key": "x-client-request-id", "value": "%REQ(x-request-id)%"}
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": f"{TYPE}.extensions.http.early_header_mutation.header_mutation.v3"
            ".HeaderMutation",
            "mutations": [
                {"append": {"header": theirs, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
                {"remove": "x-request-id"},
            ],
        },
    }


def _problem_json() -> Document:
    """What Envoy answers by itself is problem+json too, with the Open Inference `error`."""
    members = {
        "type": "urn:isogloss:problem:gateway",
        "title": "Answered by the gateway",
        "status": "%RESPONSE_CODE%",
        "detail": "%LOCAL_REPLY_BODY%",
        "error": "%LOCAL_REPLY_BODY%",
    }
    return {"json_format": members, "content_type": "application/problem+json"}


def _watched(directory: str, name: str) -> Document:
    source = {"path": f"{directory}/{name}", "watched_directory": {"path": directory}}
    return {"path_config_source": source, "resource_api_version": "V3"}


def _virtual_host(route: Route, timeout_seconds: float) -> Document:
    model = route.model
    ask = _answer(route, timeout_seconds, mirrored=False)
    predict = _answer(route, timeout_seconds, mirrored=True)
    pages = [
        *(_route(*request, predict) for request in predictions(model)),
        *(_route(*request, ask) for request in questions(model)),
    ]
    return {
        "name": model,
        "domains": list(route.hostnames),
        "metadata": {"filter_metadata": {_NOTES: route_notes(route)}},
        "routes": [*pages, _refusal(404, f"{model} answers no such path or method here")],
    }


def _no_model() -> Document:
    refusal = _refusal(404, "no model is served under this host name")
    return {"name": "no-model", "domains": ["*"], "routes": [refusal]}


def _route(method: str, path: str, answer: Document) -> Document:
    methods = [{"name": ":method", "string_match": {"exact": method}}]
    return {"match": {"path": path, "headers": methods}, **answer}


def _answer(route: Route, timeout_seconds: float, *, mirrored: bool) -> Document:
    if not (route.intent.blue or route.intent.green):
        return _unavailable(f"{route.model} has no version in PRODUCTION yet")
    action: Document = {
        "weighted_clusters": {
            "clusters": [
                {"name": cluster_name(route.model, colour), "weight": route.intent.weight(colour)}
                for colour in Colour
                if colour in route.backends
            ]
        },
        "timeout": f"{timeout_seconds:g}s",
    }
    if route.sticky:
        action["hash_policy"] = [{"header": {"header_name": route.sticky}}]
        action["weighted_clusters"]["use_hash_policy"] = True
    if mirrored and route.intent.mirror:
        action["request_mirror_policies"] = [_mirror(route.model, route.intent)]
    return {"route": action}


def _mirror(model: str, intent: RouteIntent) -> Document:
    percent = {"numerator": intent.mirror_percent, "denominator": "HUNDRED"}
    return {
        "cluster": mirror_cluster_name(model, intent.mirror or Colour.GREEN),
        "runtime_fraction": {"default_value": percent},
        "disable_shadow_host_suffix_append": True,
    }


def _refusal(status: int, text: str) -> Document:
    direct = {"status": status, "body": {"inline_string": text}}
    return {"match": {"prefix": "/"}, "direct_response": direct}


def _unavailable(text: str) -> Document:
    retry = {"header": {"key": "retry-after", "value": "5"}}
    direct = {"status": 503, "body": {"inline_string": text}}
    return {"direct_response": direct, "response_headers_to_add": [retry]}


def _read_host(host: Mapping[str, Any], addresses: Mapping[str, str]) -> Route:
    model = host["name"]
    notes = host["metadata"]["filter_metadata"][_NOTES]
    rollout, ledger_seq, marker = read_route_notes(notes)
    backends = {
        colour: addresses[name]
        for colour in Colour
        if (name := cluster_name(model, colour)) in addresses
    }
    return Route(
        model=model,
        hostnames=tuple(host["domains"]),
        intent=_read_intent(model, host["routes"][0].get("route", {})),
        backends=backends,
        rollout=rollout,
        ledger_seq=ledger_seq,
        marker=marker,
        wish=read_wish(notes),
        sticky=notes.get("sticky"),
    )


def _read_intent(model: str, action: Mapping[str, Any]) -> RouteIntent:
    clusters = action.get("weighted_clusters", {}).get("clusters", [])
    weights = {cluster["name"]: cluster["weight"] for cluster in clusters}
    mirrors = action.get("request_mirror_policies", [])
    mirror, percent = None, 0
    if mirrors:
        mirror = mirror_colour(model, mirrors[0]["cluster"])
        percent = mirrors[0]["runtime_fraction"]["default_value"]["numerator"]
    return RouteIntent(
        blue=weights.get(cluster_name(model, Colour.BLUE), 0),
        green=weights.get(cluster_name(model, Colour.GREEN), 0),
        mirror=mirror,
        mirror_percent=percent,
    )
