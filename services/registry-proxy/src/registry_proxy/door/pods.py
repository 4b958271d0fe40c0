"""Which image a training pod ran, as its own document in the API server shows. Pure.

An image says what ran only where nothing but the image decided it: no command of the pod's own, no
hook or probe that runs one, no environment or mount that another's code could come by, and no
second container with the token. What is not shown is said, with the field. `kubectl exec` leaves
no trace in a pod's document: that right is to be kept back.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_OWN_CODE = (
    *("command", "workingDir", "lifecycle", "envFrom", "volumeDevices"),
    *("livenessProbe", "readinessProbe", "startupProbe"),
)
_SHARED = ("shareProcessNamespace", "hostPID", "ephemeralContainers")
_SETTINGS, _HOME, _SCRATCH = "ISOGLOSS_TRAINING_JOBS_", "HOME", "/tmp"  # noqa: S108 - the chart's
_MOUNTS = frozenset({"/workspace", _SCRATCH, "/var/run/isogloss"})
_VERB = "train"
Part = Mapping[str, Any]


class NotShown(Exception):
    """A pod's document does not prove which code made what it hands in; the text says why."""


def image_that_ran(pod: Part, uid: str) -> str:
    """Return the digest of the image that trained; raises NotShown."""
    if pod["metadata"].get("uid") != uid:
        raise NotShown("another pod has its name by now")
    spec = pod["spec"]
    for field in _SHARED:
        if spec.get(field):
            raise NotShown(f"its pod has {field}")
    job = _only_holder(spec)
    name = job["name"]
    for complaint in _complaints(job, spec):
        raise NotShown(f"container {name} of its pod {complaint}")
    status = pod.get("status", {})
    statuses = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
    told = next((each.get("imageID", "") for each in statuses if each["name"] == name), "")
    found = _DIGEST.search(told)
    if found is None:
        raise NotShown(f"the node says no digest of the image of container {name}, but {told!r}")
    return found[0]


def _only_holder(spec: Part) -> Part:
    """Return the one container that can read a token."""
    tokens = {
        volume["name"]
        for volume in spec.get("volumes", ())
        if any("serviceAccountToken" in s for s in volume.get("projected", {}).get("sources", ()))
    }
    holders = [each for each in _containers(spec) if tokens & _mounted(each).keys()]
    if len(holders) != 1:
        raise NotShown(f"{len(holders)} containers of its pod hold a token, not one")
    return holders[0]


def _complaints(job: Part, spec: Part) -> Iterator[str]:
    yield from (f"has {field} of the pod's own" for field in _OWN_CODE if job.get(field))
    if list(job.get("args", ()))[:1] != [_VERB]:
        yield f"runs {' '.join(job.get('args', ())) or 'nothing'}, not {_VERB}"
    for each in job.get("env", ()):
        home = each["name"] == _HOME and each.get("value") == _SCRATCH
        if not home and not each["name"].startswith(_SETTINGS):
            yield f"has {each['name']} in its environment"
    paths = _mounted(job)
    yield from (f"has {path} mounted" for path in paths.values() if path not in _MOUNTS)
    yield from (f"shares {_SCRATCH}" for name in _scratch(paths) if _is_shared(name, job, spec))


def _scratch(paths: Mapping[str, str]) -> Sequence[str]:
    return [name for name, path in paths.items() if path == _SCRATCH]


def _is_shared(volume: str, job: Part, spec: Part) -> bool:
    """Tell whether anything but the job may have written there: Python takes code from its home."""
    empty = any(v["name"] == volume and "emptyDir" in v for v in spec.get("volumes", ()))
    others = (each for each in _containers(spec) if each["name"] != job["name"])
    return not empty or any(volume in _mounted(each) for each in others)


def _containers(spec: Part) -> list[Part]:
    return [*spec.get("containers", ()), *spec.get("initContainers", ())]


def _mounted(container: Part) -> dict[str, str]:
    mounts = container.get("volumeMounts", ())
    return {each["name"]: each["mountPath"].rstrip("/") for each in mounts}
