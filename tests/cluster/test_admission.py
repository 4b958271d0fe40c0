"""What the chart's admission policies refuse on a real API server, and what they let pass."""

import copy
import json

import pytest
import yaml

from kube import eventually, refusal
from release import helm

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
    "code from the project": lambda pod: set_env(job(pod), "PYTHONPATH", "/workspace"),
    "the project as its folder": lambda pod: job(pod).update(workingDir="/workspace"),
    "a mount over its code": lambda pod: mount(job(pod), "work", "/opt/isogloss"),
    "a predictor of one's own": lambda pod: beside(pod, "candidate").update(image="other:1"),
    "a predictor with a command": lambda pod: beside(pod, "baseline").update(command=["sh"]),
    "a version from a folder": lambda pod: set_env(
        beside(pod, "candidate"), ARTIFACT, "/workspace"
    ),
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


SERVICES = ("drift-monitor", "registry-proxy", "rollout-controller")
RESTRICTED = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}
ELSEWHERE = "elsewhere.example/isogloss/drift-monitor:0.1.0"


def pod_of(name, template):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": template["spec"]}


@pytest.fixture(scope="module")
def own_pods(release):
    """The pods of the chart that have a key or account of a service, by whose they are."""
    pods = {}
    for name in SERVICES:
        deployment = release.get("deployment", f"{release.name}-{name}")
        pods[name] = pod_of(name, deployment["spec"]["template"])
    hooks = yaml.safe_load_all(helm("get", "hooks", release.name, "-n", release.namespace))
    (keys,) = [each for each in hooks if each["kind"] == "Job"]
    pods["keys"] = pod_of("keys", keys["spec"]["template"])
    pods["predictor"] = pod_of("predictor", predictor_template(release))
    return pods


@pytest.fixture(scope="module")
def keys_account(release):
    """The account that is there only while an upgrade's hook makes keys."""
    metadata = {"name": f"{release.name}-keys"}
    release.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    yield
    release.kubectl("delete", "serviceaccount", metadata["name"])


def predictor_template(release):
    """Return what KServe makes of the chart's runtime, and what it puts before it."""
    runtime = release.get("servingruntime", "isogloss")["spec"]
    storage = release.get("clusterstoragecontainer", "isogloss")["spec"]["container"]
    fetched = {"name": "models", "mountPath": "/mnt/models"}
    storage["args"] = [f"isogloss://sentiment@sha256:{HEX}", "/mnt/models"]
    for container in (storage, *runtime["containers"]):
        container["volumeMounts"].append(fetched)
    spec = {
        "serviceAccountName": f"{release.name}-predictor",
        "automountServiceAccountToken": False,
        "securityContext": {"fsGroup": 999},
        "initContainers": [storage],
        "containers": runtime["containers"],
        "volumes": [*runtime["volumes"], {"name": "models", "emptyDir": {}}],
    }
    return {"spec": spec}


def key_of(release, name):
    return {"secretName": f"{release.name}-{name}-key"}


def stranger(**spec):
    """A pod of somebody else, that would pass but for the keys."""
    given = spec.pop("container", {})
    container = {"name": "any", "image": "any:1", "command": ["sh"], **RESTRICTED, **given}
    return pod_of("stranger", {"spec": {"containers": [container], **spec}})


def refused_by_service_pods(release, pod):
    answer = create(release, pod, "--dry-run=server")
    assert answer, "it was let pass"
    assert f"{release.name}-{release.namespace}-service-pods" in answer
    return answer


@pytest.mark.usefixtures("keys_account")
@pytest.mark.parametrize("name", [*SERVICES, "keys", "predictor"])
def test_the_charts_own_pods_run_whatever_their_images_tag_or_digest(release, own_pods, name):
    pod = copy.deepcopy(own_pods[name])
    assert create(release, pod, "--dry-run=server") is None
    repository = job(pod)["image"].rpartition(":")[0]
    for suffix in (":0.0.9", f"@sha256:{HEX}"):
        job(pod)["image"] = repository + suffix
        assert create(release, pod, "--dry-run=server") is None


@pytest.mark.parametrize("name", [*SERVICES, "fingerprint"])
def test_a_services_key_is_mounted_by_that_service_only(release, name):
    for volume in (
        {"secret": key_of(release, name)},
        {"projected": {"sources": [{"secret": {"name": f"{release.name}-{name}-key"}}]}},
    ):
        pod = stranger(volumes=[{"name": "key", **volume}])
        assert "is mounted by the service" in refused_by_service_pods(release, pod)


def test_a_service_does_not_get_the_key_of_another(release, own_pods):
    pod = copy.deepcopy(own_pods["drift-monitor"])
    pod["spec"]["volumes"].append({"name": "k", "secret": key_of(release, "rollout-controller")})
    assert "is mounted by the service" in refused_by_service_pods(release, pod)


@pytest.mark.parametrize("name", [*SERVICES, "fingerprint"])
def test_a_services_key_is_never_put_into_an_environment(release, name):
    secret = f"{release.name}-{name}-key"
    one = {"name": "K", "valueFrom": {"secretKeyRef": {"name": secret, "key": "key.pem"}}}
    for container in ({"env": [one]}, {"envFrom": [{"secretRef": {"name": secret}}]}):
        pod = stranger(container=container)
        assert "never put into the environment" in refused_by_service_pods(release, pod)


@pytest.mark.usefixtures("keys_account")
@pytest.mark.parametrize("name", [*SERVICES, "keys", "predictor"])
def test_nothing_else_runs_under_a_services_account(release, name):
    pod = stranger(serviceAccountName=f"{release.name}-{name}")
    assert "is of the chart's image" in refused_by_service_pods(release, pod)


def add_container(pod, **container):
    pod["spec"]["containers"].append({**job(pod), "name": "more", "volumeMounts": [], **container})


def configmap(pod, name):
    pod["spec"]["volumes"].append({"name": "own", "configMap": {"name": name}})


SERVICE_FORGERIES = {
    "another image": lambda pod: job(pod).update(image=ELSEWHERE),
    "an image whose host looks alike": lambda pod: job(pod).update(
        image=job(pod)["image"] + "/drift-monitor:1"
    ),
    "another command": lambda pod: job(pod).update(command=["sh"]),
    "arguments": lambda pod: job(pod).update(args=["--x"]),
    "a hook": lambda pod: job(pod).update(
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "true"]}}}
    ),
    "a container beside it": lambda pod: add_container(pod, image="other:1"),
    "code of one's own": lambda pod: set_env(job(pod), "PYTHONPATH", "/data"),
    "another registry": lambda pod: set_env(
        job(pod), "ISOGLOSS_DRIFT_MONITOR_REGISTRY_URL", "http://elsewhere"
    ),
    "callers of one's own": lambda pod: set_env(job(pod), "ISOGLOSS_DRIFT_MONITOR_CALLERS", "file"),
    "a mount over its code": lambda pod: mount(job(pod), "tmp", "/opt/isogloss"),
    "records of one's own": lambda pod: next(
        each for each in job(pod)["volumeMounts"] if each["mountPath"] == "/data"
    ).update(name="tmp"),
    "trust of one's own": lambda pod: configmap(pod, "mine"),
    "processes that see each other": lambda pod: pod["spec"].update(shareProcessNamespace=True),
}


@pytest.mark.parametrize("forgery", SERVICE_FORGERIES)
def test_a_services_pod_with_another_content_is_refused(release, own_pods, forgery):
    pod = copy.deepcopy(own_pods["drift-monitor"])
    SERVICE_FORGERIES[forgery](pod)
    refused_by_service_pods(release, pod)


PREDICTOR_FORGERIES = {
    "another image": lambda pod: job(pod).update(image=ELSEWHERE),
    "another command": lambda pod: job(pod).update(command=["sh"]),
    "another fetch": lambda pod: beside(pod, "storage-initializer").update(command=["sh"]),
    "another source": lambda pod: beside(pod, "storage-initializer").update(args=["pvc://x", "/x"]),
    "an agent without a logger": lambda pod: add_container(pod, name="agent", image="agent:1"),
    "an agent with the key": lambda pod: add_container(
        pod,
        name="agent",
        image="agent:1",
        args=["--log-url", "http://x"],
        volumeMounts=[{"name": "isogloss-fingerprint", "mountPath": "/key"}],
    ),
    "a mount over its code": lambda pod: mount(job(pod), "models", "/opt/isogloss"),
    "code of one's own": lambda pod: set_env(job(pod), "PYTHONPATH", "/mnt/models"),
}


@pytest.mark.parametrize("forgery", PREDICTOR_FORGERIES)
def test_a_predictor_with_another_content_is_refused(release, own_pods, forgery):
    pod = copy.deepcopy(own_pods["predictor"])
    PREDICTOR_FORGERIES[forgery](pod)
    refused_by_service_pods(release, pod)


def test_kserves_agent_runs_beside_a_predictor_that_has_a_logger(release, own_pods):
    pod = copy.deepcopy(own_pods["predictor"])
    add_container(pod, name="agent", image="kserve/agent:1", args=["--log-url", "http://log"])
    assert create(release, pod, "--dry-run=server") is None


def test_a_running_services_image_is_not_exchanged_and_nobody_debugs_it(release):
    labels = {"app.kubernetes.io/component": "drift-monitor"}
    name = release.get("pods", **labels)["items"][0]["metadata"]["name"]

    def patched(spec, *options):
        patch = ("-p", json.dumps({"spec": spec}), "--dry-run=server", *options)
        return refusal(release.kubectl, "patch", "pod", name, *patch)

    exchanged = {"containers": [{"name": "drift-monitor", "image": ELSEWHERE}]}
    assert "is of the chart's image" in patched(exchanged)
    debugger = {"ephemeralContainers": [{"name": "look", "image": "any:1", **RESTRICTED}]}
    assert "Nobody looks into" in patched(debugger, "--subresource=ephemeralcontainers")
