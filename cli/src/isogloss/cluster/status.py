"""Looking at a release: its workloads through kubectl, its models through its services."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from isogloss.adapters.kubectl import Kubectl
from isogloss.cluster.model_rows import COLUMNS, ModelStatus
from isogloss.cluster.releases import Release
from isogloss.cluster.workloads import Sight, WorkloadStatus, workload_statuses
from isogloss.connections import Connections
from isogloss.failures import Failure, Refused, Unreachable
from isogloss.output import Table

_KINDS = "deployments,statefulsets,replicasets,pods,poddisruptionbudgets"
_SERVED_MODELS = "servedmodels.isogloss.dev"


@dataclass(frozen=True)
class ClusterStatus:
    """All workloads, and the models that are served."""

    place: str
    release: str
    workloads: Sequence[WorkloadStatus]
    models: Sequence[ModelStatus]

    @property
    def ready(self) -> bool:
        """Tell whether every workload of which pods are wanted has them."""
        return all(workload.state in ("ready", "parked") for workload in self.workloads)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "place": self.place,
            "release": self.release,
            "workloads": [asdict(workload) for workload in self.workloads],
            "models": [model.to_dict() for model in self.models],
            "ready": self.ready,
        }

    def tables(self) -> list[Table]:
        """Return the workloads, and the models where there are any."""
        columns = ("workload", "state", "pods", "reason", "next")
        rows = [(w.name, w.state, w.pods, w.reason, w.next) for w in self.workloads]
        tables = [Table(columns, rows)]
        models = [model.row() for model in self.models]
        return [*tables, Table(COLUMNS, models)] if models else tables


def cluster_status(kubectl: Kubectl, release: Release, connections: Connections) -> ClusterStatus:
    """Look at everything; Refused where there is no such release."""
    sight = Sight(
        kubectl.items(_KINDS),
        kubectl.items("events", "--field-selector=type=Warning"),
        _nodes(kubectl),
    )
    workloads = [
        replace(each, next=kubectl.spelled(each.next))
        for each in workload_statuses(sight, release.name)
    ]
    if not workloads:
        raise Refused(
            f"there is no release {release.name} in {kubectl.place()}: "
            "helm list --all-namespaces shows where it is; -n and --release name it"
        )
    resources = kubectl.items(_SERVED_MODELS)
    models = _models(resources, connections) if resources else []
    return ClusterStatus(kubectl.place(), release.name, workloads, models)


def _nodes(kubectl: Kubectl) -> list[Any]:
    try:
        return kubectl.items("nodes")
    except Refused:
        # Nodes are the cluster's; without the right to see them a blocked drain is not named.
        return []


def _models(resources: Sequence[Any], connections: Connections) -> list[ModelStatus]:
    registry, controller = _Asked(), _Asked()
    states = registry.answer(connections.registry.models) or []
    by_name = {state["name"]: state for state in states}
    found = []
    for resource in resources:
        name, written = resource["metadata"]["name"], resource.get("status", {})
        serving = controller.answer(partial(connections.controller.status, name))
        reason = "; ".join(each for each in (registry.reason, controller.reason) if each)
        found.append(ModelStatus(name, by_name.get(name), serving, written, reason))
    return found


class _Asked:
    """A service that may not answer, and is then not waited for again; `reason` says why not."""

    def __init__(self) -> None:
        self.reason = ""
        self._silent = False

    def answer(self, ask: Callable[[], Any]) -> Any | None:
        """Return its answer, None where there is none."""
        if self._silent:
            return None
        try:
            answer = ask()
        except Failure as failure:
            self.reason = str(failure)
            self._silent = isinstance(failure, Unreachable)
            return None
        self.reason = ""
        return answer
