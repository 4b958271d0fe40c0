"""Which object is in the way of a workload, in a sentence with the next command."""

import pytest

from isogloss.cluster.model_rows import ModelStatus
from isogloss.cluster.pods import trouble_of
from isogloss.cluster.workloads import Sight, workload_statuses


def a_deployment(ready=1, wanted=1, name="isogloss-registry-proxy", **status):
    counts = dict.fromkeys(("readyReplicas", "updatedReplicas", "replicas"), ready)
    labels = {"app": name}
    return {
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "uid": name,
            "generation": 2,
            "labels": {"app.kubernetes.io/instance": "isogloss"},
        },
        "spec": {
            "replicas": wanted,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        },
        "status": {"observedGeneration": 2, **counts, **status},
    }


def a_pod(name="p1", app="isogloss-registry-proxy", *, ready=False, **status):
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "labels": {"app": app}},
        "spec": {"nodeName": "node-1"},
        "status": {"conditions": [condition], **status},
    }


def held(container="registry-proxy", image="proxy:1", restarts=0, last=None, **state):
    before = {"lastState": {"terminated": last}} if last else {}
    return {
        "name": container,
        "image": image,
        "restartCount": restarts,
        "state": state,
        **before,
    }


def a_warning(uid, reason, message, at="2026-01-01T00:00:00Z"):
    about = {"uid": uid}
    return {
        "reason": reason,
        "message": message,
        "involvedObject": about,
        "metadata": {},
        "lastTimestamp": at,
    }


PULL = {"reason": "ErrImagePull", "message": "proxy:9: not found"}
CRASH = {"reason": "CrashLoopBackOff"}
NO_SECRET = {"reason": "CreateContainerConfigError", "message": 'secret "k" not found'}
UNPLACED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient cpu.",
}


@pytest.mark.parametrize(
    ("pod", "text", "look"),
    [
        (
            a_pod(containerStatuses=[held(image="proxy:9", waiting=PULL)]),
            "pod p1: the image proxy:9 of registry-proxy cannot be had: proxy:9: not found",
            "describe pod/p1",
        ),
        (
            a_pod(
                containerStatuses=[
                    held(waiting=CRASH, restarts=4, last={"exitCode": 1, "message": "a\noh\n"})
                ]
            ),
            "pod p1: registry-proxy ends again and again (4 restarts), last with exit code 1: oh",
            "logs pod/p1 -c registry-proxy --previous",
        ),
        (
            a_pod(
                containerStatuses=[
                    held(waiting=CRASH, restarts=2, last={"exitCode": 9, "reason": "OOM"})
                ]
            ),
            "pod p1: registry-proxy ends again and again (2 restarts), last with exit code 9 (OOM)",
            "logs pod/p1 -c registry-proxy --previous",
        ),
        (
            a_pod(containerStatuses=[held(waiting=NO_SECRET)]),
            'pod p1: registry-proxy cannot be started: secret "k" not found',
            "describe pod/p1",
        ),
        (
            {**a_pod(), "status": {"conditions": [UNPLACED]}},
            "pod p1 has no node: 0/1 nodes are available: 1 Insufficient cpu.",
            "describe pod/p1",
        ),
        (
            a_pod(phase="Failed", reason="Evicted", message="low on disk"),
            "pod p1 has failed: Evicted low on disk",
            "describe pod/p1",
        ),
    ],
    ids=["image", "crash", "memory", "secret", "no node", "evicted"],
)
def test_a_pods_trouble_is_a_sentence_with_the_next_command(pod, text, look):
    trouble = trouble_of(pod, [])
    assert (trouble.text, trouble.look) == (text, look)


def test_a_pod_that_says_nothing_is_told_by_its_last_warning():
    warnings = [
        a_warning("p1", "Unhealthy", "Readiness probe failed: 503", "2026-01-01T00:00:09Z"),
        a_warning("p1", "FailedMount", "no such Secret", "2026-01-01T00:00:05Z"),
        a_warning("p2", "BackOff", "another pod's", "2026-01-01T00:00:10Z"),
    ]
    assert trouble_of(a_pod(), warnings).text == "pod p1: Unhealthy: Readiness probe failed: 503"
    assert trouble_of(a_pod(), []) is None


def status_of(deployment, *objects, **more):
    (status,) = workload_statuses(Sight([deployment, *objects], **more), "isogloss")
    return status


def test_a_workload_with_all_its_pods_is_ready_and_has_no_reason():
    status = status_of(a_deployment(2, 2), a_pod(ready=True))
    assert (status.state, status.pods, status.reason) == ("ready", "2/2", "")


def test_old_pods_that_answer_while_new_ones_crash_are_partly_ready():
    crashing = a_pod("new", containerStatuses=[held(waiting=CRASH)])
    status = status_of(a_deployment(1, 2), a_pod("old", ready=True), crashing)

    assert (status.state, status.pods) == ("partly ready", "1/2")
    assert status.reason.startswith("pod new: registry-proxy ends again and again")


def test_a_rollout_under_way_is_not_ready_though_the_counts_fit_the_old_pods():
    status = status_of(a_deployment(1, 1, updatedReplicas=0), a_pod(ready=True))
    assert (status.state, status.reason) == ("partly ready", "its pods are being replaced")


def test_a_workload_without_pods_is_told_by_its_replica_sets_warning():
    replica_set = {
        "kind": "ReplicaSet",
        "metadata": {
            "name": "rs",
            "uid": "rs",
            "ownerReferences": [{"uid": "isogloss-registry-proxy"}],
        },
    }
    said = 'pods "x" is forbidden:\n  exceeded quota: small'
    status = status_of(
        a_deployment(0), replica_set, warnings=[a_warning("rs", "FailedCreate", said)]
    )

    assert (status.state, status.next) == ("not ready", "describe replicaset/rs")
    assert status.reason == 'no pod can be made: pods "x" is forbidden: exceeded quota: small'


def test_a_parked_colour_is_no_failure_and_a_service_without_pods_is_one():
    colour = a_deployment(0, 0)
    colour["spec"]["template"]["metadata"]["labels"]["isogloss.dev/model"] = "sentiment"

    assert status_of(colour).state == "parked"
    off = status_of(a_deployment(0, 0))
    assert (off.state, off.reason) == ("not ready", "it is scaled to no pods")
    assert off.next == "scale deployment/isogloss-registry-proxy --replicas=1"


def test_a_drain_that_a_budget_blocks_is_named_though_everything_is_ready():
    budget = {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "sentiment-blue"},
        "spec": {"selector": {"matchLabels": {"app": "isogloss-registry-proxy"}}},
        "status": {"disruptionsAllowed": 0},
    }
    node = {"kind": "Node", "metadata": {"name": "node-1"}, "spec": {"unschedulable": True}}
    status = status_of(a_deployment(), a_pod(ready=True), budget, nodes=[node])

    assert status.state == "ready"
    assert "node node-1 is cordoned" in status.reason
    assert "PodDisruptionBudget sentiment-blue" in status.reason
    assert status.next == "uncordon node-1"
    assert status_of(a_deployment(), a_pod(ready=True), budget).reason == ""


def test_other_workloads_of_the_namespace_are_left_out():
    other = a_deployment(name="other")
    other["metadata"]["labels"] = {"app.kubernetes.io/instance": "other"}
    predictor = a_deployment(name="sentiment-blue-predictor")
    predictor["metadata"]["labels"] = {}
    predictor["spec"]["template"]["metadata"]["labels"]["isogloss.dev/model"] = "sentiment"

    statuses = workload_statuses(Sight([other, predictor]), "isogloss")

    assert [status.name for status in statuses] == ["sentiment-blue-predictor"]


STATE = {
    "name": "sentiment",
    "versions": [{"stage": "PRODUCTION", "number": 3, "digest": "sha256:" + "0123456789ab" * 5}],
}
RESOURCE = {
    "phase": "CANARY",
    "weights": "blue 90 / green 10",
    "production": "v3 sha256:0123456789ab",
    "conditions": [
        {"type": "Reconciling", "status": "False", "message": "nothing to do"},
        {"type": "Ready", "status": "False", "message": "users are sent to blue"},
    ],
}


def test_a_model_is_told_by_its_services():
    serving = {"phase": "SUCCEEDED", "route": {"blue": 100, "green": 0}, "conditions": []}
    model = ModelStatus("sentiment", STATE, serving, RESOURCE, "")

    assert model.row() == ("sentiment", "3 (0123456789ab)", "SUCCEEDED", "blue=100", "")


def test_a_model_is_told_by_its_own_status_while_the_services_are_away():
    model = ModelStatus("sentiment", None, None, RESOURCE, "rollout-controller does not answer")

    assert model.row() == (
        "sentiment",
        "v3 sha256:0123456789ab",
        "CANARY",
        "blue 90 / green 10",
        "rollout-controller does not answer",
    )


def test_what_a_model_waits_for_is_its_reason():
    model = ModelStatus("sentiment", STATE, None, RESOURCE, "")
    assert model.row()[-1] == "users are sent to blue"
