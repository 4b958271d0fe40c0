"""Which cordoned node a disruption budget keeps from being drained; asked for now and then.

An eviction that a budget refuses leaves no trace in the budget or the pod, so what counts is that
somebody cordoned the node, as every drain does first, and that the budget allows no eviction now.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout_controller.adapters.workload_facts import Workload
from servicekit.kubernetes_api import ApiRefused, KubernetesApi, ObjectMissing, grouped

_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class _Told:
    at: float
    text: str


class HeldNodes:
    """Answers for one colour at a time; `clock` gives seconds. Raises KubernetesFault."""

    def __init__(self, api: KubernetesApi, namespace: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._namespace = namespace
        self._clock = clock
        self._told: dict[str, _Told] = {}

    async def held_by(self, workload: Workload) -> str:
        """Return a sentence that names node, budget and what to do; empty where none is held."""
        name, now = workload.predictor.name, self._clock()
        told = self._told.get(name)
        if told is None or now - told.at >= _EVERY_SECONDS:
            told = self._told[name] = _Told(now, await self._ask(workload))
        return told.text

    async def _ask(self, workload: Workload) -> str:
        pods = {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in workload.ready_pods}
        for node, pod in pods.items():
            try:
                seen = await self._api.get(f"/api/v1/nodes/{node}")
            except ObjectMissing:
                continue
            except ApiRefused as error:
                return f"Whether a drain of Node {node} is held up is not known: {error}"
            if seen["spec"].get("unschedulable") and await self._holds(workload):
                return _sentence(workload, node, pod)
        return ""

    async def _holds(self, workload: Workload) -> bool:
        path = grouped(
            "policy/v1", self._namespace, "poddisruptionbudgets", workload.predictor.name
        )
        try:
            budget: Mapping[str, Any] = await self._api.get(path)
        except ObjectMissing:
            return False
        allowed: int = budget.get("status", {}).get("disruptionsAllowed", 0)
        return allowed == 0


def _sentence(workload: Workload, node: str, pod: str) -> str:
    predictor = workload.predictor
    todo = (
        f"set replicas of ServedModel {predictor.model} to 2 or more and have room on another node"
        if predictor.scale.least == 1
        else "it goes on once the other pods are ready"
    )
    return (
        f"Node {node} is cordoned and cannot be drained: PodDisruptionBudget {predictor.name} "
        f"keeps Pod {pod} of {predictor.model}; {todo}"
    )
