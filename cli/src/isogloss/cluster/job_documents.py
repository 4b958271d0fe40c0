"""A Job made from one of the release's suspended CronJobs, which are their templates. Pure.

Images, accounts, volumes and security are the template's; only what is asked of the job, the
project's image and the versions to serve beside it are filled in.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isogloss.failures import Refused

JOB, PROJECT = "job", "project"
"""Names of containers: the one that does the work, and the one that brings the project."""
PROJECT_PATH = "/workspace"
NAME_LABEL = "isogloss.dev/job-name"
"""On the Job and its pods, so that one question finds both."""


@dataclass(frozen=True)
class JobWish:
    """What is asked: the job's arguments, a project image (None: the template's), and for an
    evaluation the model and the digest that each sidecar serves.
    """

    arguments: Sequence[str]
    project_image: str | None = None
    model: str | None = None
    served: Mapping[str, str] = field(default_factory=dict)


def job_from_template(template: Mapping[str, Any], name: str, wish: JobWish) -> dict[str, Any]:
    """Return the Job `name`; Refused where the template lacks what is to be filled in."""
    document = copy.deepcopy(template["spec"]["jobTemplate"])
    metadata = document.setdefault("metadata", {})
    annotations = {
        **metadata.get("annotations", {}),
        # As `kubectl create job --from` marks what a person started.
        "cronjob.kubernetes.io/instantiate": "manual",
    }
    labels = {**metadata.get("labels", {}), NAME_LABEL: name}
    pod = document["spec"]["template"]
    pod.setdefault("metadata", {}).setdefault("labels", {})[NAME_LABEL] = name
    _fill(pod["spec"], template["metadata"]["name"], wish)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": document["spec"],
    }


def _fill(spec: dict[str, Any], template: str, wish: JobWish) -> None:
    _container(spec["containers"], JOB, template)["args"] = list(wish.arguments)
    beside = spec.get("initContainers", [])
    if wish.project_image:
        _container(beside, PROJECT, template)["image"] = wish.project_image
    for name, digest in wish.served.items():
        settings = {
            "ISOGLOSS_INFERENCE_MODEL": str(wish.model),
            "ISOGLOSS_INFERENCE_ARTIFACT": f"isogloss://{wish.model}@{digest}",
        }
        sidecar = _container(beside, name, template)
        kept = [each for each in sidecar.get("env", []) if each["name"] not in settings]
        filled = [{"name": key, "value": value} for key, value in settings.items()]
        sidecar["env"] = kept + filled


def _container(containers: list[dict[str, Any]], name: str, template: str) -> dict[str, Any]:
    for container in containers:
        if container["name"] == name:
            return container
    raise Refused(
        f"the CronJob {template} has no container {name}: it is not of a chart that this command "
        "knows; helm upgrade the release, or install the command of its version"
    )
