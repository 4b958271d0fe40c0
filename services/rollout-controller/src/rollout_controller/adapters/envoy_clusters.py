"""Envoy's clusters: where users' requests go, and apart from them the copies of a mirror. Pure.

What copies wait for and hold never keeps a user's request from a connection.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.rollouts import Colour
from rollout_controller.route_objects import Route

CLUSTERS = "clusters.yaml"
TYPE = "type.googleapis.com/envoy"
_MIRROR = "-mirror"
_CONNECT_TIMEOUT = "1s"
_MOST_COPIES = 128
"""So many copies may be with a Candidate at once, and so many wait for a connection; as many may
wait in a predictor by default. More would make a slow one cost what users' requests need."""
Document = dict[str, Any]


def clusters_document(routes: Iterable[Route]) -> Document:
    """Return two clusters for each colour that is loaded: users' requests' and copies'."""
    resources = []
    for route in routes:
        for colour, address in sorted(route.backends.items()):
            copies = _cluster(mirror_cluster_name(route.model, colour), address)
            limited = copies | {"circuit_breakers": {"thresholds": [_most(_MOST_COPIES)]}}
            resources += [_cluster(cluster_name(route.model, colour), address), limited]
    return versioned(resources)


def addresses_in(clusters: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return each cluster's address, of clusters in a file or in Envoy's configuration dump."""
    return {cluster["name"]: _address_in(cluster) for cluster in clusters}


def cluster_name(model: str, colour: Colour) -> str:
    """Name the cluster that users' requests to one colour of a model go through."""
    return f"{model}-{colour.value}"


def mirror_cluster_name(model: str, colour: Colour) -> str:
    """Name the cluster that copies of them go through."""
    return f"{cluster_name(model, colour)}{_MIRROR}"


def mirror_colour(model: str, name: str) -> Colour:
    """Read the name of a cluster of copies; files of before had them go through users' own."""
    return Colour(name.removeprefix(f"{model}-").removesuffix(_MIRROR))


def address_document(host: str, port: int) -> Document:
    """Return a socket's address."""
    return {"socket_address": {"address": host, "port_value": port}}


def versioned(resources: list[Document]) -> Document:
    """Return a file of resources; its version is a digest of them, which Envoy shows again."""
    return {"version_info": sha256_digest(canonical_json(resources)), "resources": resources}


def _cluster(name: str, address: str) -> Document:
    host, _, port = address.rpartition(":")
    endpoint = {"endpoint": {"address": address_document(host, int(port))}}
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": _CONNECT_TIMEOUT,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _most(number: int) -> Document:
    return dict.fromkeys(("max_connections", "max_pending_requests"), number)


def _address_in(cluster: Mapping[str, Any]) -> str:
    endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    socket = endpoints[0]["endpoint"]["address"]["socket_address"]
    return f"{socket['address']}:{socket['port_value']}"
