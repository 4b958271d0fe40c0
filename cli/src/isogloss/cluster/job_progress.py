"""What to do next about a Job that was started: wait, read a pod's log, or take how it ended.

Pure: documents in, a decision out. `jobs` asks for them again and again and acts.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from isogloss.cluster.job_documents import JOB
from isogloss.cluster.pods import (
    ENDS,
    NO_IMAGE,
    NO_POD,
    NOT_MADE,
    Trouble,
    container_state,
    last_event,
    trouble_of,
)


@dataclass(frozen=True)
class JobView:
    """A Job as it stands; `events` are the namespace's Warnings."""

    job: Mapping[str, Any]
    pods: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Read:
    """A pod's log is there to be read."""

    pod: str


@dataclass(frozen=True)
class Wait:
    """Nothing runs yet; `trouble` says what is in the way (None: nothing that is known)."""

    trouble: Trouble | None


@dataclass(frozen=True)
class Ended:
    """It is over: the exit code, what the container left as its last word, and where to look."""

    code: int
    message: str
    look: str


NEEDS_A_PERSON = frozenset({NO_IMAGE, NOT_MADE, ENDS, NO_POD})
NEEDS_A_PERSON_SECONDS = 60.0
"""An image that is missing seldom comes by itself; a registry may have stumbled, and a quota or
a Secret may be on its way."""
MAY_PASS_SECONDS = 600.0
"""An autoscaler brings a node, a volume is attached, a model is loaded."""
START_LIMIT_SECONDS = 900.0
"""Without any trouble: the first pull of a large image takes minutes."""


def next_step(view: JobView, read: AbstractSet[str]) -> Read | Wait | Ended:
    """Decide; `read` names the pods whose log was read to its end."""
    pods = sorted(view.pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    newest = pods[-1] if pods else None
    for pod in pods:
        state, name = container_state(pod, JOB), pod["metadata"]["name"]
        if "running" in state or ("terminated" in state and name not in read):
            return Read(name)
    if over := _over(view.job):
        return _ending(newest, over, view)
    return Wait(_trouble(view, newest))


def patience_for(trouble: Trouble | None) -> float:
    """Return for how many seconds to wait while this, and nothing else, is the matter."""
    if trouble is None:
        return START_LIMIT_SECONDS
    return NEEDS_A_PERSON_SECONDS if trouble.kind in NEEDS_A_PERSON else MAY_PASS_SECONDS


def _over(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            found: Mapping[str, Any] = condition
            return found
    return None


def _ending(pod: Mapping[str, Any] | None, over: Mapping[str, Any], view: JobView) -> Ended:
    look = f"describe job/{view.job['metadata']['name']}"
    if pod is not None:
        look = f"logs pod/{pod['metadata']['name']} -c {JOB}"
        ended = container_state(pod, JOB).get("terminated", {})
        code = int(ended.get("exitCode", 1))
        # Killed by a deadline or an eviction, a job may still end with 0 or without a word.
        if ended and (over["type"] == "Complete") == (code == 0):
            return Ended(code, ended.get("message") or "", look)
        if over["type"] == "Failed" and (trouble := trouble_of(pod, view.events)):
            return Ended(1, trouble.text, trouble.look)
    if over["type"] == "Complete":
        return Ended(0, "", look)
    return Ended(1, f"{over.get('reason', 'Failed')}: {over.get('message', '')}", look)


def _trouble(view: JobView, pod: Mapping[str, Any] | None) -> Trouble | None:
    if pod is not None:
        # One whose work is done only waits for its Job to take note.
        done = "terminated" in container_state(pod, JOB)
        # A predictor beside the job answers no probe while it loads its version.
        events = [event for event in view.events if event["reason"] != "Unhealthy"]
        return None if done else trouble_of(pod, events)
    told = last_event(view.events, view.job["metadata"].get("uid"))
    if told is None:
        return None
    name = view.job["metadata"]["name"]
    text = f"no pod of job {name} can be made: {told.get('message', told['reason'])}"
    return Trouble(NO_POD, text, f"describe job/{name}")
