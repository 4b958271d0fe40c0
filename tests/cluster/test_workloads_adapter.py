"""The rollout-controller's predictors on a real KServe: the suite that every Workloads port passes,
and what bad pods, quotas and people make of them.

The predictor is the smallest process that behaves as one, in the namespace's own ServingRuntime.
"""

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from lifecycle.capacity import Scale
from lifecycle.rollouts import Colour
from rollout_controller.adapters.inference_services import PredictorPlace
from rollout_controller.adapters.kserve import KServe
from rollout_controller.ports import WorkloadsRefused, WorkloadsUnreachable
from servicekit.kubernetes_api import (
    KubernetesApi,
    KubernetesFault,
    ObjectMissing,
    core,
    grouped,
)

# The API server may be anywhere: KUBECONFIG says where.
pytestmark = [pytest.mark.cluster, pytest.mark.anyio, pytest.mark.enable_socket]
TESTS = Path(__file__).parents[2] / "services" / "rollout-controller" / "tests"
IMAGE = os.environ.get("ISOGLOSS_E2E_PYTHON_IMAGE", "localhost/isogloss/inference:0.1.0")
BLUE, GREEN = Colour.BLUE, Colour.GREEN
FETCH = """
import sys
if sys.argv[1].endswith("7" * 64):
    sys.exit("the registry-proxy does not answer")
"""
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 999,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}
SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}


def _load(name, file):
    spec = importlib.util.spec_from_file_location(name, TESTS / file)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fakes = _load("rollout_controller_fakes", "fakes.py")
suite = _load("rollout_controller_workloads_suite", "workloads_suite.py")
MODEL, OLD, NEW, SERVED = fakes.MODEL, fakes.OLD, fakes.NEW, suite.SERVED
UNLOADABLE, UNFETCHABLE = ("sha256:" + digit * 64 for digit in "97")
loaded, until, a_served_model = suite.loaded, suite.until, fakes.a_served_model


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def api():
    opened = await KubernetesApi.open("isogloss-rollout-controller")
    yield opened
    await opened.close()


@pytest.fixture
def fetching(namespace, kubectl):
    """A way to fetch, of this namespace only: its ServingRuntime names it."""
    container = {"name": "storage-initializer", "image": IMAGE, "command": ["python", "-c", FETCH]}
    kubectl(
        "apply",
        "--server-side",
        "-f",
        "-",
        document={
            "apiVersion": "serving.kserve.io/v1alpha1",
            "kind": "ClusterStorageContainer",
            "metadata": {"name": namespace.name},
            "spec": {
                "container": {
                    **container,
                    "securityContext": RESTRICTED,
                    "resources": SMALL,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                },
                "supportedUriFormats": [{"regex": f"^isogloss://{MODEL}@sha256:(1+|2+|3+|7+|9+)$"}],
                "workloadType": "initContainer",
            },
        },
    )
    yield namespace.name
    kubectl("delete", "clusterstoragecontainer", namespace.name, "--wait=false")


def a_runtime(container_of_fetching, **changes):
    told = {"HOST": "0.0.0.0", "PORT": "8080", "METRICS_PORT": "8081"}  # noqa: S104 - in its pod
    environment = [{"name": f"ISOGLOSS_INFERENCE_{k}", "value": v} for k, v in told.items()]
    digest = {"fieldRef": {"fieldPath": "metadata.annotations['isogloss.dev/digest']"}}
    container = {
        "name": "kserve-container",
        "image": IMAGE,
        "command": ["python", "/program/tiny_predictor.py"],
        "env": [*environment, {"name": "ISOGLOSS_INFERENCE_ARTIFACT", "valueFrom": digest}],
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 8081, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 1},
        "volumeMounts": [{"name": "program", "mountPath": "/program"}],
        "securityContext": RESTRICTED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": SMALL,
    }
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {"name": "isogloss"},
        "spec": {
            "annotations": {
                "internal.serving.kserve.io/storage-container-name": container_of_fetching
            },
            "supportedModelFormats": [{"name": "isogloss"}],
            "containers": [{**container, **changes}],
            "volumes": [{"name": "program", "configMap": {"name": "program"}}],
        },
    }


@pytest.fixture
def place(namespace, fetching):
    program = {"tiny_predictor.py": (TESTS / "tiny_predictor.py").read_text()}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "program"}}
    namespace.apply({**config, "data": program}, a_runtime(fetching))
    return PredictorPlace(namespace.name, "default")


@pytest.fixture
def kserve(api, place):
    return KServe(api, place)


@pytest.fixture
def any_workloads(kserve):
    return kserve


class TestKServe(suite.WorkloadsSuite):
    pass


def says(*words):
    return lambda state: state and all(word in state.reason for word in words)


async def test_bounds_change_while_pods_serve_on(kserve):
    (before,) = (await loaded(kserve)).metrics_addresses
    await kserve.settle(a_served_model(replicas=2), BLUE)
    state = await until(kserve, lambda state: len(state.metrics_addresses) == 2)

    assert before in state.metrics_addresses
    assert (state.ready, state.scale) == (True, Scale(2, 2))


async def test_hpa_is_kserves_and_goes_with_a_parked_colour(kserve, api, place):
    scaled = a_served_model(autoscaling={"class": "hpa", "minReplicas": 1, "maxReplicas": 3})
    await loaded(kserve, served=scaled)
    path = grouped("autoscaling/v2", place.namespace, "horizontalpodautoscalers")
    (hpa,) = await api.list(path)
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (1, 3)

    await kserve.stop(MODEL, BLUE)
    await gone(api, path)
    assert await api.get(core(place.namespace, "services", f"{MODEL}-blue"))


async def gone(api, path, seconds=60):
    async def nothing():
        return not await api.list(path)

    await eventually(nothing, seconds)


async def eventually(seen, seconds=60):
    deadline = asyncio.get_running_loop().time() + seconds
    while not await seen():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.2)


async def test_a_version_that_cannot_be_loaded_crash_loops_and_is_said_to_have_ended(kserve):
    await kserve.ensure(SERVED, BLUE, UNLOADABLE)
    state = await until(kserve, says("kserve-container ended 2 times", "cannot be loaded"))

    assert (state.alive, state.ready) == (False, False)
    assert "kubectl logs" in state.reason


async def test_a_crash_while_it_serves_is_an_end_until_it_is_ready_again(kserve, api, place):
    await loaded(kserve)
    (pod,) = await api.list(core(place.namespace, "pods"))
    proxy = core(place.namespace, "pods", f"{pod['metadata']['name']}:8080") + "/proxy/crash"
    for _ in range(3):  # the third time the kubelet waits before it starts it again
        await crash(api, proxy)
        await until(kserve, lambda state: not state.ready)
        state = await until(kserve, lambda state: state.ready or not state.alive)
    assert not state.alive

    assert (await until(kserve, lambda state: state.ready)).alive


async def crash(api, proxy):
    with pytest.raises(KubernetesFault):
        await api.get(proxy)


async def test_a_version_that_cannot_be_fetched_is_told_by_its_init_container(kserve):
    await kserve.ensure(SERVED, BLUE, UNFETCHABLE)
    state = await until(kserve, says("storage-initializer ended", "does not answer"))

    assert not state.ready


async def test_an_image_that_is_missing_is_named(kserve, namespace, fetching):
    namespace.apply(a_runtime(fetching, image="localhost/missing:1"))
    await kserve.ensure(SERVED, BLUE, OLD)

    await until(kserve, says("gets no image localhost/missing:1"))


async def test_a_pod_that_fits_nowhere_says_so(kserve):
    wish = {"requests": {"cpu": "999"}, "limits": {"cpu": "999"}}
    await kserve.ensure(a_served_model(resources=wish), BLUE, OLD)

    await until(kserve, says("finds no node", "Insufficient cpu"))


async def test_a_quota_that_is_used_up_is_named(kserve, namespace):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    namespace.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    await kserve.ensure(SERVED, BLUE, OLD)

    await until(kserve, says("exceeded quota: small", "ResourceQuota"))


async def test_what_admission_refuses_is_told_in_its_words(kserve, namespace, kubectl):
    name = namespace.name
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["serving.kserve.io"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE"],
                        "resources": ["inferenceservices"],
                    }
                ]
            },
            "validations": [{"expression": "false", "message": "this digest is not admitted"}],
        },
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    bound = {"policyName": name, "validationActions": ["Deny"]}
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {**bound, "matchResources": {"namespaceSelector": selector}},
    }
    documents = {"apiVersion": "v1", "kind": "List", "items": [policy, binding]}
    kubectl("apply", "--server-side", "-f", "-", document=documents)
    try:
        await eventually(lambda: refused(kserve))
        state = (await kserve.observe(MODEL))[GREEN]
    finally:
        kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name)

    assert "this digest is not admitted" in state.reason


async def refused(kserve):
    """A policy is enforced a moment after it was written."""
    await kserve.remove(MODEL)
    try:
        await kserve.ensure(SERVED, GREEN, OLD)
    except WorkloadsRefused:
        return True
    except WorkloadsUnreachable:
        return False  # what was just removed is still going
    return False


async def deleted(api, path):
    """Wait until an object that was deleted is no more: its own controller lets it go."""

    async def missing():
        try:
            await api.get(path)
        except ObjectMissing:
            return True
        return False

    await eventually(missing)


async def test_an_inference_service_deleted_by_hand_is_made_again(kserve, api, place):
    await loaded(kserve)
    path = grouped(
        "serving.kserve.io/v1beta1", place.namespace, "inferenceservices", f"{MODEL}-blue"
    )
    await api.delete(path)
    await deleted(api, path)

    assert (await loaded(kserve)).alive


async def test_a_cordoned_node_whose_drain_the_budget_holds_up_is_named(kserve, api, place):
    await loaded(kserve)
    (pod,) = await api.list(core(place.namespace, "pods"))
    node = f"/api/v1/nodes/{pod['spec']['nodeName']}"
    await api.merge(node, {"spec": {"unschedulable": True}})
    try:
        state = await until(kserve, lambda state: state.holds)
    finally:
        await api.merge(node, {"spec": {"unschedulable": None}})

    assert f"Node {pod['spec']['nodeName']} is cordoned" in state.holds
    assert f"PodDisruptionBudget {MODEL}-blue" in state.holds


async def test_two_controllers_at_once_make_one_colour(api, place):
    one, other = KServe(api, place), KServe(api, place)
    await asyncio.gather(one.ensure(SERVED, BLUE, NEW), other.ensure(SERVED, BLUE, NEW))

    assert (await loaded(one, NEW)).digest == NEW
    assert len(await api.list(core(place.namespace, "pods"))) == 1
