"""What is the matter with a pod, in one sentence. Pure: documents and events in, words out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NO_IMAGE, NOT_MADE, ENDS, NO_POD = "no image", "not made", "ends", "no pod"
"""Kinds of trouble that need a person. kubelets tell each in turns of several words."""
_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_NOT_MADE = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreStartHookError",
        "PostStartHookError",
    }
)
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not do its work: a word for the kind, a sentence, and what to run next."""

    kind: str
    text: str
    look: str


def trouble_of(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Trouble | None:
    """Return the first thing that stands in the way of a pod; None where nothing is known.

    `events` are Warnings of the namespace; the pod's own are told where its status says less.
    """
    name = pod["metadata"]["name"]
    status = pod.get("status", {})
    if status.get("reason") and status.get("phase") == "Failed":
        return Trouble(
            status["reason"],
            f"pod {name} has failed: {status['reason']} {_cut(status.get('message'))}".strip(),
            f"describe pod/{name}",
        )
    unplaced = _unplaced(pod)
    if unplaced:
        return unplaced
    for held in container_statuses(pod):
        if found := _container_trouble(name, held):
            return found
    told = last_event(events, pod["metadata"].get("uid"))
    if told and told["reason"] != "FailedScheduling":  # it has a node by now
        text = f"pod {name}: {told['reason']}: {_cut(told.get('message'))}"
        return Trouble(told["reason"], text, f"describe pod/{name}")
    return None


def container_statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what is known of each container, those that run first before the others."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses", [])
    yield from status.get("containerStatuses", [])


def container_state(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    """Return one container's state (`waiting`, `running` or `terminated`), {} before it has one."""
    for held in container_statuses(pod):
        if held["name"] == container:
            state: Mapping[str, Any] = held.get("state", {})
            return state
    return {}


def last_event(events: Sequence[Mapping[str, Any]], uid: str | None) -> Mapping[str, Any] | None:
    """Return the newest event about one object."""
    about = [e for e in events if uid and e.get("involvedObject", {}).get("uid") == uid]
    return max(about, key=_time_of, default=None)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod takes requests."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _unplaced(pod: Mapping[str, Any]) -> Trouble | None:
    name = pod["metadata"]["name"]
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            reason = condition.get("reason", "Unschedulable")
            text = f"pod {name} has no node: {_cut(condition.get('message')) or reason}"
            return Trouble(reason, text, f"describe pod/{name}")
    return None


def _container_trouble(pod: str, held: Mapping[str, Any]) -> Trouble | None:
    state, name = held.get("state", {}), held["name"]
    waiting, ended = state.get("waiting", {}), state.get("terminated")
    reason, message = waiting.get("reason", ""), _cut(waiting.get("message"))
    if reason in _NO_IMAGE:
        text = f"pod {pod}: the image {held['image']} of {name} cannot be had: {message or reason}"
        return Trouble(NO_IMAGE, text, f"describe pod/{pod}")
    if reason in _NOT_MADE:
        text = f"pod {pod}: {name} cannot be started: {message or reason}"
        return Trouble(NOT_MADE, text, f"describe pod/{pod}")
    if reason == "CrashLoopBackOff":
        before = held.get("lastState", {}).get("terminated", {})
        text = (
            f"pod {pod}: {name} ends again and again ({held.get('restartCount', 0)} restarts), "
            f"last {_ending(before)}"
        )
        return Trouble(ENDS, text, f"logs pod/{pod} -c {name} --previous")
    if ended and ended.get("exitCode"):
        text = f"pod {pod}: {name} ended {_ending(ended)}"
        return Trouble(ENDS, text, f"logs pod/{pod} -c {name}")
    return None


def _ending(terminated: Mapping[str, Any]) -> str:
    reason = terminated.get("reason", "Error")
    why = "" if reason in ("Error", "Completed") else f" ({reason})"
    last = _cut((terminated.get("message") or "").strip().rpartition("\n")[2])
    return f"with exit code {terminated.get('exitCode', '?')}{why}" + (f": {last}" if last else "")


def _time_of(event: Mapping[str, Any]) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    created = event.get("metadata", {}).get("creationTimestamp", "")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or created)


def _cut(text: str | None) -> str:
    one_line = " ".join((text or "").split())
    if len(one_line) <= _LONGEST_MESSAGE:
        return one_line
    return one_line[: _LONGEST_MESSAGE - 3] + "..."
