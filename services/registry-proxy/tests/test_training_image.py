"""Which image made a version: what a pod's document shows, and the statement that follows it."""

import copy
import json

import httpx
import pytest

from lifecycle.digests import sha256_digest
from registry_proxy.door.pods import NotShown, image_that_ran
from servicekit.kubernetes_api import core

SCRATCH = "/tmp"  # noqa: S108 - as the chart mounts it
IMAGE = "sha256:" + "a" * 64
ACCOUNT = "system:serviceaccount:models:isogloss-trainer"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
TAGS = {"commit": "abc123"}
POD = {
    "metadata": {"name": "train-1", "uid": "u-1"},
    "spec": {
        "initContainers": [
            {
                "name": "project",
                "command": ["cp", "-R", "/project/.", "/workspace/"],
                "volumeMounts": [{"name": "work", "mountPath": "/workspace"}],
            }
        ],
        "containers": [
            {
                "name": "job",
                "args": ["train", "/workspace", "--family", "tfidf_linear"],
                "env": [
                    {"name": "ISOGLOSS_TRAINING_JOBS_COMMIT", "value": "abc"},
                    {"name": "HOME", "value": SCRATCH},
                ],
                "volumeMounts": [
                    {"name": "work", "mountPath": "/workspace"},
                    {"name": "tmp", "mountPath": SCRATCH},
                    {"name": "token", "mountPath": "/var/run/isogloss", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "work", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        ],
    },
    "status": {
        "containerStatuses": [{"name": "job", "imageID": f"registry.example/jobs@{IMAGE}"}],
        "initContainerStatuses": [{"name": "project", "imageID": "sha256:" + "b" * 64}],
    },
}


def test_the_image_of_the_container_with_the_token_is_told():
    assert image_that_ran(POD, "u-1") == IMAGE


def job_with(**changes):
    return lambda pod: pod["spec"]["containers"][0].update(changes)


def mount(container, volume, path):
    return lambda pod: pod["spec"][container][0]["volumeMounts"].append(
        {"name": volume, "mountPath": path}
    )


HIDING = {
    "a command": (job_with(command=["sh"]), "has command of the pod's own"),
    "a directory": (job_with(workingDir="/workspace"), "has workingDir"),
    "a hook": (job_with(lifecycle={"postStart": {"exec": {}}}), "has lifecycle"),
    "a probe": (job_with(livenessProbe={"exec": {}}), "has livenessProbe"),
    "environment of elsewhere": (job_with(envFrom=[{"configMapRef": {}}]), "has envFrom"),
    "a path of code": (job_with(env=[{"name": "PYTHONPATH", "value": "/x"}]), "has PYTHONPATH"),
    "a home of code": (job_with(env=[{"name": "HOME", "value": "/workspace"}]), "has HOME"),
    "another verb": (job_with(args=["register"]), "runs register, not train"),
    "no verb": (job_with(args=[]), "runs nothing, not train"),
    "code mounted": (mount("containers", "work", "/usr/lib/python3"), "has /usr/lib/python3"),
    "a home that others write": (mount("initContainers", "tmp", "/out"), "shares /tmp"),
    "a token for another": (mount("initContainers", "token", "/t"), "2 containers of its pod"),
    "one process for all": (
        lambda pod: pod["spec"].update(shareProcessNamespace=True),
        "has shareProcessNamespace",
    ),
    "a debugger": (
        lambda pod: pod["spec"].update(ephemeralContainers=[{"name": "x"}]),
        "has ephemeralContainers",
    ),
    "a home that was there before": (
        lambda pod: pod["spec"]["volumes"].__setitem__(1, {"name": "tmp", "hostPath": {}}),
        "shares /tmp",
    ),
    "another pod": (lambda pod: pod["metadata"].update(uid="u-2"), "another pod has its name"),
    "no digest": (
        lambda pod: pod["status"]["containerStatuses"][0].update(imageID="jobs:latest"),
        "no digest of the image",
    ),
    "no status": (lambda pod: pod.pop("status"), "no digest of the image"),
}


@pytest.mark.parametrize(("hide", "said"), HIDING.values(), ids=HIDING)
def test_a_pod_in_which_other_code_may_have_run_shows_nothing(hide, said):
    pod = copy.deepcopy(POD)
    hide(pod)

    with pytest.raises(NotShown, match=said):
        image_that_ran(pod, "u-1")


@pytest.fixture
def cluster(launch, kubeconfig, api_server, empty_world, mlflow):
    """A registry-proxy in a cluster with one training pod; returns its address."""
    empty_world.stop()
    for role in ("viewer", "trainer", "operator"):
        api_server.grant(ACCOUNT, "models", role)
    api_server.issue("of the pod", ACCOUNT, "isogloss", pod=("train-1", "u-1"))
    api_server.issue("of nobody", ACCOUNT, "isogloss")
    api_server.put(core("models", "pods", "train-1"), spec=POD["spec"], status=POD["status"])
    api_server.objects[core("models", "pods", "train-1")]["metadata"]["uid"] = "u-1"
    service = launch(mlflow.url, environment=kubeconfig, callers="kubernetes", namespace="models")
    return service.ready().url


@pytest.fixture
def registered(cluster, mlflow, make):
    """Log a run whose manifest somebody hands in through the door, and register it."""

    def register(token):
        run = mlflow.log(make.an_artifact, tags=TAGS)
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=cluster, headers=headers, trust_env=False, timeout=60) as http:
            manifest = make.an_artifact(run)["manifest.json"]
            path = f"{ARTIFACTS}/0/{run}/artifacts/model/manifest.json"
            handed_in = http.put(path, content=manifest)
            body = {"run_id": run, "artifact_path": "model"}
            answer = http.post("/v1/models/sentiment/versions", json=body)
        return handed_in, answer.json().get("version")

    return register


def test_a_version_that_a_pod_hands_in_has_the_image_of_that_pod(registered):
    handed_in, version = registered("of the pod")

    assert handed_in.status_code == 200
    assert version["lineage"]["image"] == IMAGE
    training = version["metadata"]["training"]
    assert (training["image"], training["pod"], training["caller"]) == (IMAGE, "train-1", ACCOUNT)
    assert training["statement"]["payloadType"] == "application/vnd.isogloss.training.v1+json"
    assert not any(tag.startswith("isogloss.training") for tag in version["metadata"]["tags"])

    _, version = registered("of nobody")
    assert version["metadata"]["training"]["image"] == "none"
    assert "not handed in by a pod" in version["metadata"]["training"]["why"]


def test_a_pod_that_shows_nothing_leaves_its_reason(registered, api_server):
    pod = api_server.objects[core("models", "pods", "train-1")]
    pod["spec"] = copy.deepcopy(POD["spec"])
    pod["spec"]["containers"][0]["command"] = ["sh"]

    _, version = registered("of the pod")

    assert version["metadata"]["training"]["image"] == "none"
    assert "has command of the pod's own" in version["metadata"]["training"]["why"]


def test_while_pods_cannot_be_seen_a_manifest_is_to_be_sent_again(registered, api_server):
    registered("of the pod")  # the token is known now, and stays so while nobody answers
    api_server.down = True

    handed_in, _ = registered("of the pod")

    assert handed_in.status_code == 503
    assert handed_in.json()["type"] == "urn:isogloss:problem:pods-unavailable"


STATED = {"run_id": "r1", "image": IMAGE, "why": "", "pod": "p", "caller": "c", "at": 1.0}


def tagged(world, make, signer=None, **changes):
    """Register a run that carries a statement signed by somebody."""
    files = make.an_artifact()
    digest = sha256_digest(files["manifest.json"])
    payload = json.dumps({**STATED, "version": digest, **changes}).encode()
    kind = "application/vnd.isogloss.training.v1+json"
    envelope = (signer or world.signers["registry-proxy"]).sign(kind, payload)
    tags = {**TAGS, f"isogloss.training.{digest.removeprefix('sha256:')}": json.dumps(envelope)}
    world.runs.add(make.a_run(tags=tags), "model", files)
    answer = world.post("/versions", {"run_id": "r1", "artifact_path": "model"}, "trainer")
    return answer.json()["version"]


def test_only_our_own_statement_about_these_bytes_counts(world, make):
    version = tagged(world, make, signer=world.signers["gate"])

    assert version["lineage"].get("image", "none") == "none"
    assert "does not count" in version["metadata"]["training"]["why"]


@pytest.mark.parametrize("changes", [{"run_id": "r2"}, {"version": "sha256:" + "0" * 64}])
def test_a_statement_about_something_else_does_not_count(world, make, changes):
    version = tagged(world, make, **changes)

    assert "is of something else" in version["metadata"]["training"]["why"]


@pytest.mark.parametrize(
    ("listed", "image", "outcome"),
    [
        ([IMAGE], IMAGE, "PASS"),
        (["sha256:" + "c" * 64], IMAGE, "FAIL"),
        ([IMAGE], "none", "INCONCLUSIVE"),
    ],
)
def test_a_policy_may_list_the_images_that_a_version_is_trained_in(
    world, make, listed, image, outcome
):
    world.put_policy(training_images=listed)
    version = tagged(world, make, image=image, why="" if image != "none" else "nobody looked")

    why = world.get(f"/v1/models/sentiment/versions/{version['number']}/why").json()
    told = [r for r in why["verdict"]["reasons"] if r["gate"] == "training-image"]
    assert [reason["outcome"] for reason in told] == [outcome]
