"""Where a release's users send their requests: its HTTPRoutes name the Gateway and the host.

Pure; `target` fetches the documents.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from isogloss.failures import Misused, Refused

ROUTE_NOTE = "isogloss.dev/route"
"""The annotation of a model's own route; probes of the rollout-controller have none."""
GIVE_ADDRESS = "give it as --gateway-url http://HOST:PORT or ISOGLOSS_GATEWAY_URL"


def route_for(routes: Sequence[Mapping[str, Any]], host: str | None) -> Mapping[str, Any]:
    """Return the route of the model that answers to a host name (None: of the only model)."""
    ours = [r for r in routes if _serves(r)]
    if host:
        ours = [r for r in ours if _answers(r, host)]
    if not ours:
        named = f" under the host name {host}" if host else ""
        raise Refused(
            f"no model is served{named} yet: isogloss rollout start MODEL VERSION serves one"
        )
    if len(ours) > 1:
        named = ", ".join(f"{r['metadata']['name']}: {' '.join(_hosts(r))}" for r in ours)
        raise Misused(f"several models are served; choose one with --host ({named})")
    return ours[0]


def host_of(route: Mapping[str, Any]) -> str | None:
    """Return a host name that a route answers to; None where any will do."""
    first = next(iter(_hosts(route)), "*")
    if first == "*":
        return None
    return first.replace("*", route["metadata"]["name"], 1)


def gateway_of(route: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Return namespace, name and listener (None: any) of the Gateway of a route."""
    parent = route["spec"]["parentRefs"][0]
    namespace = parent.get("namespace") or route["metadata"]["namespace"]
    return namespace, parent["name"], parent.get("sectionName")


def address_of(gateway: Mapping[str, Any], listener: str | None) -> str:
    """Return a Gateway's address as a URL; Refused where it has none yet."""
    name = f"Gateway {gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
    addresses = gateway.get("status", {}).get("addresses", [])
    if not addresses:
        raise Refused(f"{name} has no address yet; {GIVE_ADDRESS}")
    chosen = _listener(gateway, listener)
    if chosen is None:
        raise Refused(f"{name} has no listener for HTTP or HTTPS; {GIVE_ADDRESS}")
    scheme, usual = ("https", 443) if chosen["protocol"] == "HTTPS" else ("http", 80)
    value = addresses[0]["value"]
    host = f"[{value}]" if ":" in value else value
    return f"{scheme}://{host}" + ("" if chosen["port"] == usual else f":{chosen['port']}")


def _serves(route: Mapping[str, Any]) -> bool:
    """Tell whether it is a model's own route, and attached: before a Release it is not."""
    noted = ROUTE_NOTE in route["metadata"].get("annotations", {})
    return noted and bool(route["spec"].get("parentRefs"))


def _listener(gateway: Mapping[str, Any], name: str | None) -> Mapping[str, Any] | None:
    usable = [
        listener
        for listener in gateway["spec"]["listeners"]
        if listener["protocol"] in ("HTTP", "HTTPS") and name in (None, listener["name"])
    ]
    return min(usable, key=lambda listener: str(listener["protocol"]), default=None)


def _hosts(route: Mapping[str, Any]) -> Sequence[str]:
    hosts: Sequence[str] = route["spec"].get("hostnames") or ["*"]
    return hosts


def _answers(route: Mapping[str, Any], host: str) -> bool:
    bare = host.partition(":")[0]
    return any(
        pattern in ("*", host, bare) or (pattern[:2] == "*." and bare.endswith(pattern[1:]))
        for pattern in _hosts(route)
    )
