"""Reading what the API server shows of a model's colours, and as little of it as will do.

Pods are the dearest to read. A Deployment changes whenever one of its pods becomes ready or stops
being so, so pods that were all ready are read again only when a Deployment has changed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout_controller.adapters.inference_services import (
    COLOUR,
    FIELD_MANAGER,
    KSERVE,
    MANAGED_BY,
    MODEL,
    Predictor,
    read_inference_service,
    workload_name,
)
from rollout_controller.adapters.workload_facts import Workload, is_ready
from servicekit.kubernetes_api import KubernetesApi, core, grouped

Object = Mapping[str, Any]


@dataclass(frozen=True)
class _Pods:
    """Pods, as they were while their Deployments had these versions."""

    versions: Mapping[str, str]
    pods: Sequence[Object]


class WorkloadLooks:
    """Looks at the models of one namespace. Raises KubernetesFault."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._pods: dict[str, _Pods] = {}

    async def look(self, model: str) -> Sequence[Workload]:
        """Return the colours of a model whose InferenceService wants something to run."""
        selector = ours(model)
        documents, deployments, services = await asyncio.gather(
            self._api.list(grouped(KSERVE, self._namespace, "inferenceservices"), selector),
            self._api.list(grouped("apps/v1", self._namespace, "deployments"), selector),
            self._api.list(core(self._namespace, "services"), selector),
        )
        read = [(read_inference_service(document), document) for document in documents]
        wanted = [each for each in read if not (each[0].parked or each[0].deleted)]
        pods = await self._read_pods(model, deployments) if wanted else ()
        reachable = {service["metadata"]["name"] for service in services}
        return [
            Workload(
                predictor=predictor,
                namespace=self._namespace,
                inference_service=document,
                deployment=_made_for(predictor, document, deployments),
                pods=[pod for pod in pods if _belongs_to(predictor, pod)],
                reachable=predictor.name in reachable,
            )
            for predictor, document in wanted
        ]

    async def _read_pods(self, model: str, deployments: Sequence[Object]) -> Sequence[Object]:
        versions = {
            each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in deployments
        }
        before = self._pods.get(model)
        if before and before.versions == versions and all(map(is_ready, before.pods)):
            return before.pods
        pods = await self._api.list(core(self._namespace, "pods"), ours(model))
        self._pods[model] = _Pods(versions, pods)
        return pods


def ours(model: str) -> str:
    """Return the label selector of what was made for a model; KServe hands our labels on."""
    return f"{MODEL}={model},{MANAGED_BY}={FIELD_MANAGER}"


def _belongs_to(predictor: Predictor, pod: Object) -> bool:
    colour = pod["metadata"]["labels"].get(COLOUR) == predictor.colour
    return colour and "deletionTimestamp" not in pod["metadata"]


def _made_for(
    predictor: Predictor, document: Object, deployments: Sequence[Object]
) -> Object | None:
    """Find KServe's Deployment, but not one that goes away with an InferenceService before."""
    for deployment in deployments:
        metadata = deployment["metadata"]
        owners = {each["uid"] for each in metadata.get("ownerReferences", [])}
        named = metadata["name"] == workload_name(predictor.name)
        if named and document["metadata"]["uid"] in owners and "deletionTimestamp" not in metadata:
            return deployment
    return None
