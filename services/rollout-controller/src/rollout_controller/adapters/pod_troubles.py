"""Why a pod does not answer yet, from its own status. Pure; logs and events are not read here.

What a container said last stands in its termination message; where its container falls back to
its log (`terminationMessagePolicy: FallbackToLogsOnError`) that is the log's last lines.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_NO_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
    }
)
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})
_LONGEST_MESSAGE = 300


class Trouble(NamedTuple):
    """A sentence about a pod; the lower `rank`, the less it will pass by itself."""

    rank: int
    text: str


def pod_trouble(pod: Mapping[str, Any], namespace: str) -> Trouble | None:
    """Return what keeps a pod from being ready, None where nothing does."""
    return next(_troubles(pod, namespace), None)


def _troubles(pod: Mapping[str, Any], namespace: str) -> Iterator[Trouble]:
    name, status = pod["metadata"]["name"], pod["status"]
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True":
        return
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        text = f"Pod {name} finds no node ({scheduled.get('message')})"
        yield Trouble(1, f"{text}; add room, or ask for less in the ServedModel's resources")
    images = {each["name"]: each.get("image") for each in _containers(pod["spec"])}
    for container in _statuses(status):
        stuck = _stuck(name, container, images.get(container["name"]))
        if stuck:
            yield stuck
        elif died := _died(name, container, namespace):
            yield died
    if status.get("phase") in ("Failed", "Succeeded"):
        why = status.get("message") or status.get("reason") or "no reason is said"
        yield Trouble(2, f"Pod {name} has ended ({why}); another takes its place")
    yield Trouble(3, _on_its_way(name, status, namespace))


def _stuck(pod: str, container: Mapping[str, Any], image: str | None) -> Trouble | None:
    """A container that cannot begin. Back-off after it ended is told as how it ended."""
    waiting = container.get("state", {}).get("waiting", {})
    reason = waiting.get("reason", "")
    if reason in _NO_IMAGE:
        text = f"Pod {pod} gets no image {image} ({reason}: {waiting.get('message', '')})"
        return Trouble(0, f"{text}; make the image available, or correct the ServingRuntime")
    if not reason or reason in _ON_ITS_WAY or reason == "CrashLoopBackOff":
        return None
    text = f"Pod {pod}: {container['name']} cannot begin ({reason}: {waiting.get('message', '')})"
    return Trouble(0, f"{text}; correct the ServingRuntime or what it names")


def _died(pod: str, container: Mapping[str, Any], namespace: str) -> Trouble | None:
    state, before = container.get("state", {}), container.get("lastState", {})
    ended = state.get("terminated") or before.get("terminated")
    again = "running" in state or state.get("terminated", {}).get("exitCode") == 0
    if ended is None or (again and container.get("ready")):
        return None
    said = " ".join(str(ended.get("message", "")).split())[-_LONGEST_MESSAGE:]
    how = f"code {ended.get('exitCode')}, {ended.get('reason', 'Error')}"
    times = container.get("restartCount", 0) + ("running" not in state)
    log = f"kubectl logs --namespace {namespace} {pod} --container {container['name']}"
    previous = "" if "terminated" in state else " --previous"
    text = f"Pod {pod}: {container['name']} ended {times} times, last with {how}"
    return Trouble(0, f"{text}{': ' + said if said else ''}; see `{log}{previous}`")


def _on_its_way(pod: str, status: Mapping[str, Any], namespace: str) -> str:
    see = f"if that lasts, see `kubectl describe pod --namespace {namespace} {pod}`"
    initial = status.get("initContainerStatuses", [])
    if any("running" in each.get("state", {}) for each in initial):
        return f"Pod {pod} fetches the version; {see}"
    if any("running" in each.get("state", {}) for each in status.get("containerStatuses", [])):
        return f"Pod {pod} loads the version, or does not answer in time; {see}"
    return f"Pod {pod} is being set up; {see}"


def _containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def _statuses(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
