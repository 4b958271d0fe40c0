"""What the chart's admission policies refuse on a real API server, and what they let pass."""

import copy
import json

import pytest

from kube import eventually, refusal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

HEX = "a" * 64
OTHER = "b" * 64
KEEPER = "registry-proxy"


def inference_service(uri, **model):
    annotations = {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "none",
    }
    named = {"modelFormat": {"name": "isogloss"}, "runtime": "isogloss", "storageUri": uri}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "by-hand", "annotations": annotations},
        "spec": {"predictor": {"minReplicas": 0, "maxReplicas": 0, "model": {**named, **model}}},
    }


def write_admitted(release, data):
    """Merge into the admitted versions as the registry-proxy does."""
    patch = ("--type=merge", "-p", json.dumps({"data": data}))
    admitted = ("patch", "admittedversions", f"{release.name}-admitted", *patch)
    release.kubectl(*admitted, "--as", release.account(KEEPER))


@pytest.fixture(scope="module")
def without_ledger(release):
    """No registry-proxy, which would put right what a test writes in its place."""
    name = f"deployment/{release.name}-{KEEPER}"
    release.kubectl("scale", name, "--replicas=0")
    pods = ("pod", "-l", f"app.kubernetes.io/component={KEEPER}")
    release.kubectl("wait", *pods, "--for=delete", "--timeout=90s")
    yield
    release.kubectl("scale", name, "--replicas=1")
    release.kubectl("rollout", "status", name, "--timeout=120s")


@pytest.fixture
def admitted(release, without_ledger):  # noqa: ARG001 - it is away meanwhile
    """The address of a version that is admitted."""
    write_admitted(release, {f"by-hand.{HEX}": "STAGING"})
    uri = f"isogloss://by-hand@sha256:{HEX}"
    eventually(lambda: create(release, inference_service(uri), "--dry-run=server") is None)
    yield uri
    release.kubectl("delete", "inferenceservice", "by-hand", "--ignore-not-found")
    write_admitted(release, {f"by-hand.{HEX}": None})


def create(release, document, *options):
    return refusal(release.kubectl, "create", "-f", "-", *options, document=document)


@pytest.mark.parametrize("uri", ["isogloss://by-hand", "isogloss://by-hand@latest", "pvc://x/y"])
def test_a_version_that_is_not_named_by_digest_is_refused(release, uri):
    assert "it must be isogloss://MODEL@sha256" in create(release, inference_service(uri))


def test_a_version_that_is_not_admitted_is_refused_with_what_to_do(release):
    answer = create(release, inference_service(f"isogloss://by-hand@sha256:{OTHER}"))
    assert "is not admitted" in answer
    assert "isogloss models promote" in answer


def test_a_version_that_is_admitted_may_be_served_and_parked_but_not_exchanged(release, admitted):
    assert create(release, inference_service(admitted)) is None
    write_admitted(release, {f"by-hand.{HEX}": None})

    def patched(predictor):
        patch = ("--type=merge", "-p", json.dumps({"spec": {"predictor": predictor}}))
        return refusal(release.kubectl, "patch", "inferenceservice", "by-hand", *patch)

    assert patched({"minReplicas": 1, "maxReplicas": 1}) is None
    other = {"model": {"storageUri": f"isogloss://by-hand@sha256:{OTHER}"}}
    assert "is not admitted" in patched(other)
    gone = ("delete", "inferenceservice", "by-hand", "--timeout=30s")
    assert refusal(release.kubectl, *gone) is None


@pytest.mark.parametrize(
    "model",
    [
        {"image": "other:1"},
        {"command": ["sh"]},
        {"args": ["--x"]},
        {"env": [{"name": "ISOGLOSS_INFERENCE_ARTIFACT", "value": "/tmp/x"}]},  # noqa: S108
        {"volumeMounts": [{"name": "x", "mountPath": "/mnt/models"}]},
    ],
    ids=lambda model: next(iter(model)),
)
def test_an_admitted_version_with_another_content_is_refused(release, admitted, model):
    answer = create(release, inference_service(admitted, **model), "--dry-run=server")
    assert "The runtime decides what runs" in answer


def test_a_canary_of_kserves_own_is_refused(release, admitted):
    document = inference_service(admitted)
    canary = copy.deepcopy(document["spec"]["predictor"])
    canary["model"]["storageUri"] = f"isogloss://by-hand@sha256:{OTHER}"
    document["spec"]["canary"] = [{"trafficPercent": 10, "predictor": canary}]
    assert "named by spec.predictor.model.storageUri only" in create(release, document)


@pytest.mark.parametrize("who", ["system:admin", "drift-monitor", "rollout-controller"])
def test_nobody_else_writes_the_admitted_versions(release, who):
    writer = who if ":" in who else release.account(who)
    groups = ("--as-group", "system:masters") if ":" in who else ()
    patch = json.dumps({"data": {f"by-hand.{HEX}": "STAGING"}})
    admitted = (
        "patch",
        "admittedversions",
        f"{release.name}-admitted",
        "--type=merge",
        "-p",
        patch,
    )
    assert refusal(release.kubectl, *admitted, "--as", writer, *groups)


def test_the_list_of_admitted_versions_cannot_be_deleted_beside_its_namespace(release):
    answer = refusal(release.kubectl, "delete", "admittedversions", f"{release.name}-admitted")
    assert "they go with their namespace" in answer


@pytest.fixture(scope="module")
def gate_pod(release):
    """The pod that the chart's evaluate template makes."""
    template = release.get("cronjob", f"{release.name}-evaluate")["spec"]["jobTemplate"]
    pod = template["spec"]["template"]
    metadata = {"name": "gate", "labels": pod["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def job(pod):
    return pod["spec"]["containers"][0]


def beside(pod, name):
    return next(each for each in pod["spec"]["initContainers"] if each["name"] == name)


def set_env(container, name, value):
    kept = [each for each in container["env"] if each["name"] != name]
    container["env"] = [*kept, {"name": name, "value": value}]


def mount(container, volume, path):
    container["volumeMounts"].append({"name": volume, "mountPath": path})


ARTIFACT = "ISOGLOSS_INFERENCE_ARTIFACT"
FORGERIES = {
    "another command": lambda pod: job(pod).update(command=["sh"]),
    "another job": lambda pod: job(pod).update(args=["train"]),
    "another image": lambda pod: job(pod).update(image="other:1"),
    "a registry of one's own": lambda pod: set_env(
        job(pod), "ISOGLOSS_TRAINING_JOBS_REGISTRY_URL", "http://elsewhere"
    ),
    "a registry by argument": lambda pod: job(pod)["args"].extend(["--registry-url", "http://e"]),
    "a candidate elsewhere": lambda pod: job(pod)["args"].append("--candidate-url=http://e:1"),
    "code from the project": lambda pod: set_env(job(pod), "PYTHONPATH", "/work"),
    "the project as its folder": lambda pod: job(pod).update(workingDir="/work"),
    "a mount over its code": lambda pod: mount(job(pod), "work", "/opt/isogloss"),
    "a predictor of one's own": lambda pod: beside(pod, "candidate").update(image="other:1"),
    "a predictor with a command": lambda pod: beside(pod, "baseline").update(command=["sh"]),
    "a version from a folder": lambda pod: set_env(beside(pod, "candidate"), ARTIFACT, "/work"),
    "a project that stays": lambda pod: beside(pod, "project").update(restartPolicy="Always"),
    "a project that reads the key": lambda pod: mount(beside(pod, "project"), "key", "/key"),
    "processes that see each other": lambda pod: pod["spec"].update(shareProcessNamespace=True),
    "the key under another account": lambda pod: (
        pod["spec"].update(serviceAccountName="default"),
        job(pod).update(command=["sh"]),
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_gates_key_is_given_to_the_charts_own_job_only(release, gate_pod, forgery):
    pod = copy.deepcopy(gate_pod)
    FORGERIES[forgery](pod)
    answer = create(release, pod, "--dry-run=server")
    assert f"{release.name}-{release.namespace}-gate-jobs" in answer


def test_the_charts_own_gate_job_runs_with_any_version_and_any_project(release, gate_pod):
    pod = copy.deepcopy(gate_pod)
    set_env(beside(pod, "candidate"), ARTIFACT, f"isogloss://sentiment@sha256:{HEX}")
    beside(pod, "project")["image"] = "project-of-mine:1"
    assert create(release, pod, "--dry-run=server") is None
