"""The chart on a real API server: who may do what, what admission refuses, upgrade and rollback."""

import copy
import json
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from kube import KubectlRefused, eventually, kubectl
from release import ROOT, helm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SPECS = yaml.safe_load((ROOT / "tests/render/served-models.yaml").read_text())
HEX = "a" * 64
OTHER = "b" * 64
KEEPER = "registry-proxy"
SERVICES = (KEEPER, "drift-monitor", "rollout-controller")


def refusal(run, *arguments, **options):
    """Return why kubectl said no, None when it did not."""
    try:
        run(*arguments, **options)
    except KubectlRefused as refused:
        return str(refused)
    return None


def account(release, name):
    return f"system:serviceaccount:{release.namespace}:{release.name}-{name}"


def may(release, name, verb, what, *options):
    """Ask the API server whether an account may do something."""
    question = ["auth", "can-i", verb, what, *options, "--as", account(release, name)]
    return refusal(release.kubectl, *question) is None


@pytest.mark.parametrize(
    ("name", "verb", "what"),
    [
        ("registry-proxy", "patch", "admittedversions.isogloss.dev/isogloss-admitted"),
        ("registry-proxy", "create", "tokenreviews.authentication.k8s.io"),
        ("drift-monitor", "create", "subjectaccessreviews.authorization.k8s.io"),
        ("rollout-controller", "delete", "inferenceservices.serving.kserve.io"),
        ("rollout-controller", "patch", "httproutes.gateway.networking.k8s.io"),
        ("rollout-controller", "create", "poddisruptionbudgets.policy"),
        ("rollout-controller", "list", "pods"),
        ("rollout-controller", "patch", "leases.coordination.k8s.io/isogloss-rollout-controller"),
        ("rollout-controller", "get", "nodes"),
        ("operator", "act", "callers.isogloss.dev/operator"),
        ("gate", "act", "callers.isogloss.dev/gate"),
    ],
)
def test_an_account_may_do_what_it_needs(release, name, verb, what):
    assert may(release, name, verb, what)


@pytest.mark.parametrize(
    ("name", "verb", "what"),
    [
        *[
            (name, verb, what)
            for name in (
                "registry-proxy",
                "drift-monitor",
                "rollout-controller",
                "predictor",
                "gate",
            )
            for verb, what in [
                ("get", "secrets"),
                ("create", "pods"),
                ("create", "pods/exec"),
                ("patch", "deployments.apps"),
                ("create", "rolebindings.rbac.authorization.k8s.io"),
                ("create", "serviceaccounts/token"),
                ("patch", "servedmodels.isogloss.dev"),
            ]
        ],
        ("registry-proxy", "patch", "httproutes.gateway.networking.k8s.io"),
        ("registry-proxy", "list", "configmaps"),
        ("registry-proxy", "list", "admittedversions.isogloss.dev"),
        ("registry-proxy", "delete", "admittedversions.isogloss.dev/isogloss-admitted"),
        ("rollout-controller", "patch", "admittedversions.isogloss.dev/isogloss-admitted"),
        ("rollout-controller", "patch", "leases.coordination.k8s.io/other"),
        ("trainer", "act", "callers.isogloss.dev/gate"),
        ("predictor", "act", "callers.isogloss.dev/operator"),
        ("rollout-controller", "act", "callers.isogloss.dev/operator"),
        ("operator", "create", "tokenreviews.authentication.k8s.io"),
    ],
)
def test_an_account_may_do_nothing_else(release, name, verb, what):
    assert not may(release, name, verb, what)


def test_no_account_has_rights_in_other_namespaces(release):
    for name in (*SERVICES, "operator"):
        for what in ("pods", "services", "configmaps", "httproutes.gateway.networking.k8s.io"):
            question = (
                "auth",
                "can-i",
                "get",
                what,
                "-n",
                "default",
                "--as",
                account(release, name),
            )
            assert refusal(kubectl, *question), (name, what)


@pytest.mark.parametrize("spec", SPECS["taken"], ids=json.dumps)
def test_the_api_server_takes_what_a_laptop_takes(release, spec):
    release.kubectl("create", "--dry-run=server", "-f", "-", document=served_model(spec))


@pytest.mark.parametrize("spec", [*SPECS["refused"], *SPECS["cel"]], ids=json.dumps)
def test_the_api_server_refuses_what_a_laptop_refuses(release, spec):
    assert refusal(
        release.kubectl, "create", "--dry-run=server", "-f", "-", document=served_model(spec)
    )


@pytest.mark.parametrize("name", ["9-lives", "a" * 43, "dot.ted"])
def test_a_name_that_no_predictor_could_have_is_refused(release, name):
    answer = refusal(
        release.kubectl, "create", "--dry-run=server", "-f", "-", document=served_model({}, name)
    )
    assert "metadata.name" in answer


def served_model(spec, name="dry-run"):
    kind = {"apiVersion": "isogloss.dev/v1alpha1", "kind": "ServedModel"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


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


def write_admitted(release, data, **options):
    """Merge into the admitted versions, as the registry-proxy unless told otherwise."""
    patch = json.dumps({"data": data})
    writer = options.get("who", account(release, KEEPER))
    admitted = (
        "patch",
        "admittedversions",
        f"{release.name}-admitted",
        "--type=merge",
        "-p",
        patch,
    )
    release.kubectl(*admitted, "--as", writer)


@pytest.fixture
def admitted(release):
    """A version that is admitted without a ledger, while no registry-proxy puts it right."""
    release.kubectl("scale", "deployment", f"{release.name}-{KEEPER}", "--replicas=0")
    release.kubectl("rollout", "status", "deployment", f"{release.name}-{KEEPER}")
    write_admitted(release, {f"by-hand.{HEX}": "STAGING"})
    yield f"isogloss://by-hand@sha256:{HEX}"
    release.kubectl("delete", "inferenceservice", "by-hand", "--ignore-not-found", "--wait=false")
    write_admitted(release, {f"by-hand.{HEX}": None})
    release.kubectl("scale", "deployment", f"{release.name}-{KEEPER}", "--replicas=1")
    release.kubectl("rollout", "status", "deployment", f"{release.name}-{KEEPER}")


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
    eventually(lambda: create(release, inference_service(admitted), "--dry-run=server") is None)
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
    dry = inference_service(admitted)
    eventually(lambda: create(release, dry, "--dry-run=server") is None)
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
    writer = who if ":" in who else account(release, who)
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


def test_helm_test_finds_every_service_ready(release):
    helm("test", release.name, "--namespace", release.namespace, "--timeout", "3m")


def previous_chart(folder):
    """Package the chart's version before today's; the first one, under an earlier number."""
    path, today = "charts/isogloss", version_at("HEAD")
    commits = git("log", "--format=%H", "--", f"{path}/Chart.yaml").split()
    earlier = next((each for each in commits if version_at(each) != today), None)
    if earlier is None:
        helm("package", str(ROOT / path), "--version", "0.0.1", "--destination", str(folder))
    else:
        archive = subprocess.run(
            ["git", "-C", ROOT, "archive", earlier, path, "monitoring"],  # noqa: S607 - the PATH's
            capture_output=True,
            check=True,
        )
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)  # noqa: S607
        helm("package", str(folder / path), "--destination", str(folder))
    return next(folder.glob("*.tgz"))


def git(*arguments):
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def version_at(commit):
    return yaml.safe_load(git("show", f"{commit}:charts/isogloss/Chart.yaml"))["version"]


def test_an_upgrade_from_the_previous_version_can_be_rolled_back(release):
    write = {"metadata": {"labels": {"seen": "before"}}}
    release.kubectl(
        "patch",
        "admittedversions",
        f"{release.name}-admitted",
        "--type=merge",
        "-p",
        json.dumps(write),
    )
    before = release.get("admittedversions", f"{release.name}-admitted").get("data")
    keys = release.get("secret", f"{release.name}-gate-key")["metadata"]["uid"]
    with tempfile.TemporaryDirectory() as folder:
        release.upgrade(chart=previous_chart(Path(folder)))
    release.upgrade()
    where = ("--namespace", release.namespace)
    helm("rollback", release.name, *where, "--wait", "--timeout", "6m")
    release.upgrade()
    assert release.get("admittedversions", f"{release.name}-admitted").get("data") == before
    assert release.get("secret", f"{release.name}-gate-key")["metadata"]["uid"] == keys


def test_an_upgrade_that_cannot_start_is_taken_back_and_the_old_pods_go_on(release):
    def serving():
        pods = release.get("pod", **{"app.kubernetes.io/component": "rollout-controller"})
        return {
            pod["metadata"]["uid"]
            for pod in pods["items"]
            if {"type": "Ready", "status": "True"}.items()
            <= next(c for c in pod["status"]["conditions"] if c["type"] == "Ready").items()
        }

    before = serving()
    with pytest.raises(AssertionError):
        release.upgrade(
            "--set=rolloutController.image.tag=none", "--rollback-on-failure", "--timeout=20s"
        )
    assert before
    assert before <= serving()
