"""Eight things that go wrong in a cluster: Production keeps answering, and the status says which
object has which fault and what to do.

Every test begins with a version in PRODUCTION and another in STAGING, under users' load, and
leaves the same behind. The whole matrix over all phases is `make bench-cluster`.
"""

import json
import time
from contextlib import contextmanager

import pytest

from kube import eventually, kubectl
from sentiment import MODEL, begin_again, rolled_out, serve

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture
def load(release, users, versions):
    """Users' load while the day is bad; Production must have answered all of it."""
    begin_again(release, *versions)
    running = users.start(60)
    yield running
    counts = running.stop()
    assert counts["requests"] > 100
    assert counts["failures"] == 0, counts


def says(release, *words):
    """Wait until the status of the model says all of these words in its conditions."""

    def said():
        conditions = json.dumps(release.status(MODEL)["conditions"])
        assert all(word in conditions for word in words), conditions
        return conditions

    return eventually(said, 120, every=1)


def test_a_candidate_that_crash_loops_gets_no_traffic_and_is_named(release, users, versions, load):
    starved = {"requests": {"memory": "24Mi"}, "limits": {"memory": "24Mi"}}
    serve(release, users.host, bakeSeconds=5, resources=starved)
    try:
        with rolled_out(release, versions[1], "PENDING"):
            says(release, "OOMKilled", f"{MODEL}-")
    finally:
        serve(release, users.host, bakeSeconds=5)
    assert versions[1] not in load.counts()["versions"]


def test_an_image_that_is_missing_is_named_and_production_is_left_alone(release, versions, load):
    runtime = release.get("servingruntime", "isogloss")
    image = runtime["spec"]["containers"][0]["image"]
    set_image(release, "localhost/isogloss/inference:missing")
    try:
        with rolled_out(release, versions[1], "PENDING"):
            says(release, "localhost/isogloss/inference:missing")
    finally:
        set_image(release, image)
    assert versions[1] not in load.counts()["versions"]


def set_image(release, image):
    path = "/spec/containers/0/image"
    patch = json.dumps([{"op": "replace", "path": path, "value": image}])
    release.kubectl("patch", "servingruntime", "isogloss", "--type=json", f"--patch={patch}")


def test_a_drain_is_held_up_by_the_disruption_budget_which_the_status_names(release, load):
    (name, *others) = nodes()
    if others:
        pytest.skip("with several nodes a drain goes through: the test below")
    kubectl("cordon", name)
    try:
        evict_all(release)
        says(release, name, "PodDisruptionBudget")
    finally:
        kubectl("uncordon", name)
    eventually(lambda: release.status(MODEL)["conditions"] and all_ready(release), 120)
    assert load.counts()["failures"] == 0


def test_a_node_is_drained_without_a_failed_answer(release, load):
    if len(nodes()) == 1:
        pytest.skip("with one node a drain is held up: the test above")
    (pod, *_) = release.get("pods", **{"isogloss.dev/model": MODEL})["items"]
    name = pod["spec"]["nodeName"]
    selector = ("--pod-selector", f"isogloss.dev/model={MODEL}", "--delete-emptydir-data")
    try:
        kubectl("drain", name, *selector, "--timeout=240s")
        eventually(lambda: all_ready(release), 120)
        moved = release.get("pods", **{"isogloss.dev/model": MODEL})["items"]
        assert name not in {each["spec"]["nodeName"] for each in moved}
    finally:
        kubectl("uncordon", name)
    assert load.counts()["failures"] == 0


def nodes():
    """Return the names of the nodes that run pods."""
    every = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return [each["metadata"]["name"] for each in every if not each["spec"].get("unschedulable")]


def evict_all(release):
    """Ask to evict every predictor, as a drain does; refusals are what a budget is for."""
    for pod in release.get("pods", **{"isogloss.dev/model": MODEL})["items"]:
        if "deletionTimestamp" in pod["metadata"]:
            continue
        name = pod["metadata"]["name"]
        metadata = {"name": name, "namespace": release.namespace}
        document = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
        try:
            release.kubectl("create", "--raw", path, "-f", "-", document=document)
        except AssertionError as refused:
            said = str(refused)
            assert "disruption budget" in said or "NotFound" in said


def all_ready(release):
    conditions = {c["type"]: c["status"] for c in release.status(MODEL)["conditions"]}
    return conditions["Ready"] == "True" and "NodesDrainable" not in conditions


def test_a_rollout_goes_on_after_every_controller_was_killed(release, versions, load):
    release.roll_out(MODEL, versions[1])
    release.await_phase(MODEL, "SHADOWING", "CANARY")

    release.kill("rollout-controller")

    release.await_phase(MODEL, "SUCCEEDED", seconds=240)
    release.roll_back(MODEL, "back to where the test began")
    assert load.counts()["failures"] == 0


def test_going_back_needs_neither_the_registry_nor_the_drift_monitor(release, versions, load):
    release.roll_out(MODEL, versions[1])
    release.await_phase(MODEL, "CANARY", "BAKING", "SUCCEEDED")
    with scaled_down(release, "registry-proxy", "drift-monitor"):
        back = release.roll_back(MODEL, "both are down")
        assert back["milliseconds"] < 1000
        assert not back["recorded"]
        says(release, "registry")
    release.await_phase(MODEL, "ROLLED_BACK", seconds=120)
    assert load.counts()["failures"] == 0


@contextmanager
def scaled_down(release, *components):
    names = [f"deployment/{release.name}-{component}" for component in components]
    release.kubectl("scale", *names, "--replicas=0")
    gone = [f"app.kubernetes.io/component={component}" for component in components]
    for label in gone:
        release.kubectl("wait", "--for=delete", "pods", "-l", label, "--timeout=60s")
    try:
        yield
    finally:
        release.kubectl("scale", *names, "--replicas=1")
        for name in names:
            release.kubectl("rollout", "status", name, "--timeout=120s")


def test_a_route_that_was_edited_by_hand_is_put_back(release, versions, load):
    with rolled_out(release, versions[1], "SHADOWING"):
        release.pause(MODEL, "or it goes on to the next step, whose weights differ")
        rules = release.get("httproute", MODEL)["spec"]["rules"]
        halves = [{"name": f"{MODEL}-{c}", "port": 80, "weight": 50} for c in ("blue", "green")]
        edited = [{**rules[0], "filters": [], "backendRefs": halves}, *rules[1:]]
        patch = json.dumps({"spec": {"rules": edited}})
        release.kubectl("patch", "httproute", MODEL, "--type=merge", f"--patch={patch}")

        def put_back():
            return release.get("httproute", MODEL)["spec"]["rules"] == rules

        eventually(put_back, 15)
    assert load.counts()["failures"] == 0


def test_a_mirrored_candidate_that_is_deleted_by_hand_costs_no_answer(release, versions, load):
    with rolled_out(release, versions[1], "SHADOWING") as status:
        colour = next(c for c, each in status["colours"].items() if each["digest"] == versions[1])
        release.kubectl("delete", "inferenceservice", f"{MODEL}-{colour}", "--wait=true")
        time.sleep(5)
        assert load.counts()["failures"] == 0
        eventually(lambda: made_again_or_given_up(release, colour), 120, every=1)


def made_again_or_given_up(release, colour):
    """Copies that nobody answered count against the Candidate: enough of them end the Rollout, as
    does a Candidate that is away when its canary has begun.
    """
    status = release.status(MODEL)
    ended = status["phase"] in ("ABORTED", "ROLLED_BACK")
    assert status["colours"][colour]["ready"] or ended, status
    return True


def test_a_quota_that_is_exceeded_is_named(release, versions, load):
    with release.no_more_pods(), rolled_out(release, versions[1], "PENDING"):
        says(release, "quota")
    assert load.counts()["failures"] == 0
