"""ServedModel, colour and digest to the objects that serve them, and back. Pure.

A colour is one KServe InferenceService and, named like it, our own Service and disruption budget
for KServe's pods. Routes name our Service: it outlives any InferenceService, while KServe deletes
its own together with the pods, and a route that names a missing Service fails every request.
Parked is KServe's `stop`: no pods, no autoscaler, whatever its class. Not here: what runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lifecycle.capacity import Resources, Scale
from lifecycle.rollouts import Colour
from lifecycle.served_models import ServedModel

KSERVE = "serving.kserve.io/v1beta1"
RUNTIME = "isogloss"
FIELD_MANAGER = "isogloss-rollout-controller"
MODEL, COLOUR, DIGEST = "isogloss.dev/model", "isogloss.dev/colour", "isogloss.dev/digest"
MANAGED_BY = "app.kubernetes.io/managed-by"
SERVICE_PORT, PREDICTION_PORT, METRICS_PORT = 80, 8080, 8081
_STOP = "serving.kserve.io/stop"
_AUTOSCALER = "serving.kserve.io/autoscalerClass"
_ENVIRONMENT = "ISOGLOSS_INFERENCE_"

_GROUP = 999
"""Of the process in our images; the kubelet gives it the token and the fingerprint key to read."""

_STOP_SECONDS = 30
"""For a predictor to stop: it answers for 15 more (the ServingRuntime says so), then has 10."""

Object = dict[str, Any]


@dataclass(frozen=True)
class PredictorPlace:
    """Where predictors run, and as whom."""

    namespace: str
    service_account: str


@dataclass(frozen=True)
class Predictor:
    """What one InferenceService wants; `environment` without the prefix of inference's settings.

    `deleted` says that the object goes away as soon as KServe lets it.
    """

    model: str
    colour: Colour
    digest: str
    environment: Mapping[str, str]
    resources: Resources
    scale: Scale
    parked: bool = False
    deleted: bool = False

    @property
    def name(self) -> str:
        """Return the name of its InferenceService, Service and disruption budget."""
        return colour_name(self.model, self.colour)


def colour_name(model: str, colour: Colour) -> str:
    """Return the name of everything that belongs to a colour."""
    return f"{model}-{colour}"


def workload_name(name: str) -> str:
    """Return the name of KServe's Deployment for an InferenceService."""
    return f"{name}-predictor"


def predictor_of(served: ServedModel, colour: Colour, digest: str) -> Predictor:
    """Return what a ServedModel wants in a colour."""
    told = {
        "MODEL": served.name,
        "QUEUE_LIMIT": str(served.queue_limit),
        "SLO_MILLISECONDS": f"{served.objective.latency_milliseconds:g}",
    }
    if served.slices:
        told["SLICES"] = ",".join(served.slices)
    return Predictor(
        model=served.name,
        colour=colour,
        digest=digest,
        environment=told,
        resources=served.resources,
        scale=served.scale,
    )


def inference_service(predictor: Predictor, place: PredictorPlace) -> Object:
    """Return the InferenceService that wants this, as `read_inference_service` reads it."""
    annotations = {
        "serving.kserve.io/deploymentMode": "Standard",
        _AUTOSCALER: predictor.scale.autoscaler,
        DIGEST: predictor.digest,
        # Said either way, so that what a person wrote there is ours again.
        _STOP: str(predictor.parked).lower(),
    }
    labels = _labels(predictor.model, predictor.colour)
    return {
        "apiVersion": KSERVE,
        "kind": "InferenceService",
        "metadata": {
            "name": predictor.name,
            # KServe makes no route of its own for what has this label.
            "labels": {**labels, "networking.kserve.io/visibility": "cluster-local"},
            "annotations": annotations,
        },
        "spec": {
            "predictor": {
                **_scaling(predictor.scale),
                "labels": labels,
                "annotations": {DIGEST: predictor.digest},
                **_identity(place),
                "model": _model(predictor),
            }
        },
    }


def read_inference_service(document: Mapping[str, Any]) -> Predictor:
    """Return what an InferenceService of ours wants, whoever changed it last."""
    metadata, spec = document["metadata"], document["spec"]["predictor"]
    annotations, model = metadata.get("annotations", {}), spec.get("model", {})
    resources = model.get("resources", {})
    environment = {each["name"]: each.get("value", "") for each in model.get("env", [])}
    return Predictor(
        model=metadata["labels"][MODEL],
        colour=Colour(metadata["labels"][COLOUR]),
        digest=model.get("storageUri", "").rpartition("@")[2],
        environment={k.removeprefix(_ENVIRONMENT): v for k, v in environment.items()},
        resources=Resources(resources.get("requests", {}), resources.get("limits", {})),
        scale=_read_scale(annotations, spec),
        parked=annotations.get(_STOP, "").lower() == "true",
        deleted="deletionTimestamp" in metadata,
    )


def own_service(model: str, colour: Colour) -> Object:
    """Return the Service that routes name."""
    port = {
        "name": "http",
        "port": SERVICE_PORT,
        "targetPort": PREDICTION_PORT,
        "protocol": "TCP",
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": colour_name(model, colour), "labels": _labels(model, colour)},
        "spec": {"selector": _pods(model, colour), "ports": [port]},
    }


def disruption_budget(model: str, colour: Colour, scale: Scale) -> Object:
    """Return the budget of a colour. A single pod is not evicted at all: draining its node would
    end all answers, so a person is asked to scale first. One that is broken never holds a node.
    """
    allowed = {"minAvailable": 1} if scale.least == 1 else {"maxUnavailable": 1}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": colour_name(model, colour), "labels": _labels(model, colour)},
        "spec": {
            **allowed,
            "selector": {"matchLabels": _pods(model, colour)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def _labels(model: str, colour: Colour) -> dict[str, str]:
    """KServe's own pair of labels is not here: it deletes what carries it and is not its own."""
    return {
        MODEL: model,
        COLOUR: colour.value,
        "app.kubernetes.io/part-of": "isogloss",
        MANAGED_BY: FIELD_MANAGER,
    }


def _pods(model: str, colour: Colour) -> dict[str, str]:
    return {"app": f"isvc.{workload_name(colour_name(model, colour))}"}


def _model(predictor: Predictor) -> Object:
    environment = [
        {"name": _ENVIRONMENT + name, "value": value}
        for name, value in predictor.environment.items()
    ]
    model: Object = {
        "modelFormat": {"name": RUNTIME},
        "runtime": RUNTIME,
        "storageUri": f"isogloss://{predictor.model}@{predictor.digest}",
        "env": environment,
    }
    resources = {"requests": predictor.resources.requests, "limits": predictor.resources.limits}
    given = {kind: dict(amounts) for kind, amounts in resources.items() if amounts}
    return {**model, "resources": given} if given else model


def _identity(place: PredictorPlace) -> Object:
    """What a ServingRuntime cannot say of its pods."""
    return {
        "serviceAccountName": place.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _STOP_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": _GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _scaling(scale: Scale) -> Object:
    bounds: Object = {"minReplicas": scale.least, "maxReplicas": scale.most}
    if scale.cpu_percent is None:
        return bounds
    target = {"type": "Utilization", "averageUtilization": scale.cpu_percent}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    return {**bounds, "autoScaling": {"metrics": [metric]}}


def _read_scale(annotations: Mapping[str, str], spec: Mapping[str, Any]) -> Scale:
    least = int(spec.get("minReplicas", 1))
    metrics = spec.get("autoScaling", {}).get("metrics", [])
    targets = [each.get("resource", {}).get("target", {}) for each in metrics]
    percents = [each.get("averageUtilization") for each in targets]
    found = annotations.get(_AUTOSCALER, "none")
    autoscaler: Literal["none", "hpa", "keda"] = "none"
    if found in ("hpa", "keda"):
        autoscaler = "hpa" if found == "hpa" else "keda"
    most = int(spec.get("maxReplicas", least)) or least
    return Scale(least, most, autoscaler, percents[0] if percents else None)
