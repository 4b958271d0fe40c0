"""What each workload of a release is doing, and which object is in the way. Pure.

Kubernetes calls a Deployment available while its new pods crash and a drain waits for ever; so
the pods themselves, the Warnings about them, and the PodDisruptionBudgets are read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isogloss.cluster.pods import NO_POD, Trouble, is_ready, last_event, trouble_of

Document = Mapping[str, Any]
_INSTANCE, _MODEL = "app.kubernetes.io/instance", "isogloss.dev/model"


@dataclass(frozen=True)
class Sight:
    """What was seen of a namespace: all its objects, the Warnings, and the nodes (none where the
    person may not see them).
    """

    objects: Sequence[Document]
    warnings: Sequence[Document] = ()
    nodes: Sequence[Document] = ()

    def of_kind(self, *kinds: str) -> list[Document]:
        """Return the objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]


@dataclass(frozen=True)
class WorkloadStatus:
    """One workload. `state` is ready, partly ready (some pods answer), not ready, or parked (a
    colour of which no pods are wanted); `reason` names the object in the way, `next` the command
    that shows more.
    """

    name: str
    state: str
    pods: str
    reason: str
    next: str


def workload_statuses(sight: Sight, release: str) -> list[WorkloadStatus]:
    """Return one status for each Deployment and StatefulSet of a release, predictors too."""
    ours = [each for each in sight.of_kind("Deployment", "StatefulSet") if _is_ours(each, release)]
    return [_status(each, sight) for each in sorted(ours, key=_name)]


def _is_ours(workload: Document, release: str) -> bool:
    labels = workload["metadata"].get("labels", {})
    return labels.get(_INSTANCE) == release or _MODEL in _pod_labels(workload)


def _pod_labels(workload: Document) -> Document:
    labels: Document = workload["spec"]["template"]["metadata"].get("labels", {})
    return labels


def _status(workload: Document, sight: Sight) -> WorkloadStatus:
    wanted = workload["spec"].get("replicas", 1)
    status = workload.get("status", {})
    ready = status.get("readyReplicas", 0)
    if not wanted:
        return _scaled_to_none(workload)
    pods = [pod for pod in sight.of_kind("Pod") if _selects(workload, pod)]
    if _is_rolled_out(workload, wanted):
        drained = _blocked_drain(pods, sight)
        reason, look = (drained.text, drained.look) if drained else ("", "")
        return WorkloadStatus(_name(workload), "ready", f"{ready}/{wanted}", reason, look)
    trouble = _trouble(workload, pods, sight)
    state = "partly ready" if ready else "not ready"
    return WorkloadStatus(_name(workload), state, f"{ready}/{wanted}", trouble.text, trouble.look)


def _scaled_to_none(workload: Document) -> WorkloadStatus:
    """Tell a colour that is parked from a service that somebody has turned off."""
    if _MODEL in _pod_labels(workload):
        return WorkloadStatus(_name(workload), "parked", "0/0", "", "")
    kind, name = workload["kind"].lower(), _name(workload)
    look = f"scale {kind}/{name} --replicas=1"
    return WorkloadStatus(name, "not ready", "0/0", "it is scaled to no pods", look)


def _is_rolled_out(workload: Document, wanted: int) -> bool:
    status = workload.get("status", {})
    seen = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    counts = (status.get(key, 0) for key in ("readyReplicas", "updatedReplicas", "replicas"))
    return seen and all(count == wanted for count in counts)


def _trouble(workload: Document, pods: Sequence[Document], sight: Sight) -> Trouble:
    unready = [pod for pod in pods if not is_ready(pod) and not _is_leaving(pod)]
    for pod in sorted(unready, key=_age, reverse=True):
        if found := trouble_of(pod, sight.warnings):
            return found
    look = f"describe {workload['kind'].lower()}/{_name(workload)}"
    if refused := _refused_pods(workload, sight):
        return refused
    for condition in workload.get("status", {}).get("conditions", []):
        if condition["type"] == "Progressing" and condition["status"] == "False":
            return Trouble(condition["reason"], condition["message"], look)
    waiting = ", ".join(_name(pod) for pod in unready)
    text = f"pod {waiting} is starting" if waiting else "its pods are being replaced"
    return Trouble("Starting", text, look)


def _refused_pods(workload: Document, sight: Sight) -> Trouble | None:
    """Find the Warning that says why no pod can be made: a quota, a policy, a webhook."""
    owners = [workload, *(rs for rs in sight.of_kind("ReplicaSet") if _is_owned(rs, workload))]
    for owner in sorted(owners, key=_age, reverse=True):
        told = last_event(sight.warnings, owner["metadata"].get("uid"))
        if told and told["reason"] == "FailedCreate":
            text = f"no pod can be made: {' '.join(told.get('message', '').split())}"
            return Trouble(NO_POD, text, _describe(owner))
    return None


def _blocked_drain(pods: Sequence[Document], sight: Sight) -> Trouble | None:
    """Find a PodDisruptionBudget that lets no pod leave a node which is being emptied."""
    emptied = {_name(node) for node in sight.nodes if node["spec"].get("unschedulable")}
    for pod, budget in _guarded(pods, sight):
        node = pod["spec"].get("nodeName")
        if node in emptied and budget.get("status", {}).get("disruptionsAllowed", 0) == 0:
            text = (
                f"node {node} is cordoned, and a drain of it waits: PodDisruptionBudget "
                f"{_name(budget)} lets pod {_name(pod)} go only when another one is ready"
            )
            return Trouble("BlockedDrain", text, f"uncordon {node}")
    return None


def _guarded(pods: Sequence[Document], sight: Sight) -> Iterator[tuple[Document, Document]]:
    for budget in sight.of_kind("PodDisruptionBudget"):
        for pod in pods:
            if _selects(budget, pod):
                yield pod, budget


def _selects(selecting: Document, pod: Document) -> bool:
    wanted = selecting["spec"].get("selector", {}).get("matchLabels", {})
    labels = pod["metadata"].get("labels", {})
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _is_owned(owned: Document, owner: Document) -> bool:
    references = owned["metadata"].get("ownerReferences", [])
    return any(each["uid"] == owner["metadata"].get("uid") for each in references)


def _is_leaving(pod: Document) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _describe(owner: Document) -> str:
    return f"describe {owner['kind'].lower()}/{_name(owner)}"


def _age(each: Document) -> str:
    return str(each["metadata"].get("creationTimestamp", ""))


def _name(each: Document) -> str:
    return str(each["metadata"]["name"])
