"""What the objects of one colour say: is it ready, has it ended by itself, and if not ready, why.

Pure. Ready is what the Deployment and its pods say, never what KServe says: its Ready stays true
while a new ReplicaSet fails. Each reason names the object, what is wrong, and what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout_controller.adapters.inference_services import (
    DIGEST,
    METRICS_PORT,
    Predictor,
    workload_name,
)
from rollout_controller.adapters.pod_troubles import pod_trouble

Object = Mapping[str, Any]
_OVER = ("Failed", "Succeeded")


@dataclass(frozen=True)
class Workload:
    """One colour as the API server shows it; `deployment` None while KServe has made none for this
    very InferenceService, `pods` all that are not being ended, `reachable` whether our Service is
    there.
    """

    predictor: Predictor
    namespace: str
    inference_service: Object
    deployment: Object | None
    pods: Sequence[Object]
    reachable: bool

    @property
    def ready(self) -> bool:
        """Tell whether the wanted version is rolled out and nothing else answers in this colour.

        Rolled out once, a version stays so while it is scaled or its pods are replaced by others
        of it. A pod is warm when it is ready: inference scores a text before it says so.
        """
        if self.deployment is None or not self.is_told:
            return False
        progressing = _condition(self.deployment, "Progressing").get("reason")
        available = _condition(self.deployment, "Available").get("status")
        enough = progressing == "NewReplicaSetAvailable" or available == "True"
        return enough and {self._is_own(pod) for pod in self.ready_pods} == {True}

    @property
    def ended(self) -> bool:
        """Tell whether no pod is ready and one has ended by itself since it was last ready."""
        own = self._own_pods
        return not any(map(is_ready, own)) and any(map(_has_ended, own))

    @property
    def metrics_addresses(self) -> tuple[str, ...]:
        """Return where the ready pods show their counters."""
        addresses = (pod["status"].get("podIP") for pod in self._own_pods if is_ready(pod))
        return tuple(sorted(f"{address}:{METRICS_PORT}" for address in addresses if address))

    @property
    def ready_pods(self) -> Sequence[Object]:
        """Return the pods that get this colour's requests."""
        return [pod for pod in self.pods if is_ready(pod)]

    @property
    def is_told(self) -> bool:
        """Tell whether KServe has brought its Deployment to the wanted version."""
        return self.deployment is not None and self._has_version(self.deployment)

    def why_not_ready(self, warning: str = "") -> str:
        """Return the first reason that stands in the way, from the outside in.

        `warning` is what KServe last warned of.
        """
        deployment = workload_name(self.predictor.name)
        if self.deployment is None or not self.is_told:
            return self._why_not_told(deployment, warning)
        if refused := _condition(self.deployment, "ReplicaFailure").get("message"):
            return _refused_pods(deployment, str(refused))
        troubles = sorted(filter(None, (pod_trouble(p, self.namespace) for p in self._own_pods)))
        if troubles:
            return troubles[0].text
        if any(not self._is_own(pod) for pod in self.ready_pods):
            return f"Deployment {deployment} replaces the pods of the version before"
        return f"Deployment {deployment} waits for its pods"

    @property
    def _own_pods(self) -> Sequence[Object]:
        """Pods of the wanted version; those that are over only where there are no others."""
        own = [pod for pod in self.pods if self._is_own(pod)]
        return [pod for pod in own if pod["status"].get("phase") not in _OVER] or own

    def _is_own(self, pod: Object) -> bool:
        annotations: Mapping[str, str] = pod["metadata"].get("annotations", {})
        return annotations.get(DIGEST) == self.predictor.digest

    def _has_version(self, deployment: Object) -> bool:
        template: Mapping[str, Any] = deployment["spec"]["template"]["metadata"]
        told: bool = template.get("annotations", {}).get(DIGEST) == self.predictor.digest
        return told

    def _why_not_told(self, deployment: str, warning: str) -> str:
        name = self.predictor.name
        if failure := _kserve_failure(self.inference_service):
            return f"KServe cannot serve InferenceService {name}: {failure}"
        if warning:
            return (
                f"KServe has not brought Deployment {deployment} to the version; its last warning "
                f"about InferenceService {name}: {warning}"
            )
        return (
            f"KServe has not brought Deployment {deployment} to the version yet; if that lasts, "
            "see whether KServe's controller runs"
        )


def is_ready(pod: Object) -> bool:
    """Tell whether a pod gets requests."""
    return _condition(pod, "Ready").get("status") == "True"


def _has_ended(pod: Object) -> bool:
    """A container that runs again after it ended counts until the pod was ready since."""
    ready = _condition(pod, "Ready")
    for container in pod["status"].get("containerStatuses", []):
        state = container.get("state", {})
        ended = "terminated" in state or "terminated" in container.get("lastState", {})
        began = state.get("running", {}).get("startedAt")
        if ended and (began is None or ready.get("lastTransitionTime", "") <= began):
            return True
    return False


def _kserve_failure(inference_service: Object) -> str:
    """Other failures that its status tells of may be those of a version before."""
    condition = _condition(inference_service, "PredictorReady")
    if condition.get("reason") == "ReconcileFailed":
        return str(condition.get("message"))
    model = inference_service.get("status", {}).get("modelStatus", {})
    failure = model.get("lastFailureInfo", {})
    if model.get("transitionStatus") != "InvalidSpec" or not failure:
        return ""
    return f"{failure.get('message')} ({failure.get('reason')})"


def _refused_pods(deployment: str, message: str) -> str:
    if "exceeded quota" in message:
        todo = "raise the namespace's ResourceQuota, or ask for less in the ServedModel's resources"
    elif "failed calling webhook" in message:
        todo = "an admission webhook does not answer: see whether KServe's controller runs"
    else:
        todo = "change what refuses it, or what the ServingRuntime asks for"
    return f"Deployment {deployment} may not create pods: {message}; {todo}"


def _condition(document: Object, kind: str) -> Mapping[str, Any]:
    conditions = document.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})
