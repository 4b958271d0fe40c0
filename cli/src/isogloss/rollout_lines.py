"""A Rollout's status in one line."""

from collections.abc import Mapping
from typing import Any

from isogloss.output import short

_TROUBLES = frozenset(
    {
        "PredictorNotReady",
        "MirrorUnproven",
        "DriftMonitorUnreachable",
        "HealthUnknown",
        "WorkloadsUnreachable",
        "GatewayUnreachable",
        "RegistryUnreachable",
        "ShadowOnly",
    }
)


def trouble_of(status: Mapping[str, Any]) -> str:
    """Say what a Rollout waits for that should not last; nothing while it waits for its Gates."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition["reason"] in _TROUBLES:
            return str(condition["message"])
    return ""


def status_line(status: Mapping[str, Any]) -> str:
    """Say the phase, where the traffic goes, and what the last Verdict was."""
    said = [str(status["phase"] or "no rollout yet")]
    if status["phase"] == "CANARY":
        said.append(f"step {status['step']}")
    if status.get("paused"):
        said.append(f"paused: {status['paused']}")
    said += [_route(status), trouble_of(status)]
    verdict = status.get("verdict")
    # What a PENDING one shows was said of the Rollout before it.
    if verdict and status["phase"] != "PENDING":
        said.append(f"Verdict {verdict['outcome']}")
    return ", ".join(part for part in said if part)


def _route(status: Mapping[str, Any]) -> str:
    route = status.get("route") or {}
    parts = []
    for role in ("baseline", "candidate"):
        digest = status.get(role)
        for name, colour in (status.get("colours") or {}).items():
            if colour and digest and colour.get("digest") == digest:
                percent = route.get(name) or 0
                copies = " and copies" if route.get("mirror") == name else ""
                parts.append(f"{role} {short(digest)} {percent} %{copies}")
    return ", ".join(parts)
