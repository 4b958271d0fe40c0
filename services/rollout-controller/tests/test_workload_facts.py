"""What a Deployment and its pods say: ready or not, ended or not, and why, as people read it."""

import pytest
from rollout_controller_fakes import NEW, OLD, a_served_model
from rollout_controller_kserve_objects import (
    BEGAN,
    LATER,
    NAMESPACE,
    RUNNING,
    a_deployment,
    a_pod,
    condition,
    crashed,
    ended,
    unfinished,
    waiting,
)

from lifecycle.rollouts import Colour
from rollout_controller.adapters.inference_services import predictor_of
from rollout_controller.adapters.workload_facts import Workload

DEPLOYMENT, POD = "sentiment-blue-predictor", "sentiment-blue-predictor-5d4f-q5wfk"


def a_workload(deployment, *pods, status=None, digest=NEW):
    predictor = predictor_of(a_served_model(), Colour.BLUE, digest)
    document = {"metadata": {"name": "sentiment-blue"}, "status": status or {}}
    return Workload(predictor, NAMESPACE, document, deployment, pods, reachable=True)


def rolling(reason, available="True"):
    told = [condition("Available", available), condition("Progressing", "True", reason=reason)]
    return a_deployment(NEW, conditions=told)


@pytest.mark.parametrize(
    ("deployment", "pods", "ready"),
    [
        (a_deployment(NEW), [a_pod(NEW)], True),
        (None, [], False),
        (a_deployment(OLD), [a_pod(OLD)], False),
        (a_deployment(NEW), [a_pod(NEW, ready=False)], False),
        (rolling("ReplicaSetUpdated", "False"), [a_pod(NEW), a_pod(NEW, ready=False)], False),
        (rolling("ReplicaSetUpdated"), [a_pod(OLD), a_pod(NEW)], False),
        (rolling("NewReplicaSetAvailable"), [a_pod(OLD)], False),
        (rolling("NewReplicaSetAvailable", "False"), [a_pod(NEW), a_pod(NEW, ready=False)], True),
        (rolling("ReplicaSetUpdated"), [a_pod(NEW), a_pod(NEW, ready=False)], True),
    ],
    ids=[
        "all there",
        "KServe made nothing yet",
        "another version is still told",
        "its pod is not ready",
        "the first of several pods",
        "the version before still answers",
        "the reason is that of the version before",
        "it is scaled up while it serves",
        "its pods are replaced by others of it",
    ],
)
def test_a_colour_is_ready_when_its_version_is_rolled_out_and_nothing_else_answers(
    deployment, pods, ready
):
    assert a_workload(deployment, *pods).ready is ready


def test_kserves_own_word_makes_nothing_ready():
    says = {"conditions": [condition("Ready", "True"), condition("PredictorReady", "True")]}

    assert not a_workload(unfinished(NEW), a_pod(NEW, ready=False), status=says).ready


CRASHED = a_pod(NEW, ready=False, main=crashed())
RESTARTED = {"state": {"running": {"startedAt": LATER}}, "lastState": {"terminated": ended()}}


@pytest.mark.parametrize(
    ("pods", "is_over"),
    [
        ([CRASHED], True),
        ([a_pod(NEW, ready=False, main={"state": {"terminated": ended()}})], True),
        ([a_pod(NEW, ready=False, main=RESTARTED, at=BEGAN)], True),
        ([a_pod(NEW, ready=False, main=RESTARTED, at="2026-11-25T18:00:00Z")], False),
        ([CRASHED, a_pod(NEW)], False),
        ([a_pod(NEW, ready=False)], False),
        ([a_pod(OLD, ready=False, main=crashed()), a_pod(NEW, ready=False)], False),
        ([a_pod(NEW, ready=False, init=crashed())], False),
        (
            [
                a_pod(NEW, ready=False, main={"state": {"terminated": ended()}}, phase="Failed"),
                a_pod(NEW, ready=False),
            ],
            False,
        ),
        ([], False),
    ],
    ids=[
        "it crash-loops",
        "it ended just now",
        "it starts again and was not ready since",
        "it was ready since it ended",
        "another one answers",
        "it does not answer in time",
        "one of the version before crashed",
        "it never began",
        "an evicted one has a successor",
        "there is none",
    ],
)
def test_a_colour_has_ended_when_no_pod_is_ready_and_one_ended_by_itself(pods, is_over):
    assert a_workload(a_deployment(NEW), *pods).ended is is_over


def test_counters_are_read_from_the_pods_of_the_version_that_are_ready():
    pods = [
        a_pod(NEW, podIP="10.244.0.7"),
        a_pod(NEW, podIP="10.244.0.5"),
        a_pod(NEW, ready=False, podIP="10.244.0.6"),
        a_pod(OLD, podIP="10.244.0.4"),
    ]
    addresses = a_workload(a_deployment(NEW), *pods).metrics_addresses

    assert addresses == ("10.244.0.5:8081", "10.244.0.7:8081")


NO_ROOM = condition("PodScheduled", "False", reason="Unschedulable", message="0/1 nodes available")
QUOTA = 'pods "x" is forbidden: exceeded quota: small, requested: memory=1Gi'
WEBHOOK = 'Internal error: failed calling webhook "inferenceservice.kserve-webhook-server.pod"'


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        (
            a_pod(NEW, ready=False, main=crashed(message="the artifact\ncannot be loaded\n")),
            (
                f"Pod {POD}: kserve-container ended 3 times, last with code 1, Error: the artifact "
                f"cannot be loaded; see `kubectl logs --namespace {NAMESPACE} {POD} --container "
                "kserve-container --previous`"
            ),
        ),
        (
            a_pod(
                NEW,
                ready=False,
                main={"state": {"terminated": ended(137, reason="OOMKilled")}, "restartCount": 0},
            ),
            (
                f"Pod {POD}: kserve-container ended 1 times, last with code 137, OOMKilled; see "
                f"`kubectl logs --namespace {NAMESPACE} {POD} --container kserve-container`"
            ),
        ),
        (
            a_pod(
                NEW,
                ready=False,
                init=crashed(1, message="no answer"),
                main=waiting("PodInitializing", ""),
            ),
            (
                f"Pod {POD}: storage-initializer ended 2 times, last with code 1, Error: no "
                f"answer; see `kubectl logs --namespace {NAMESPACE} {POD} --container "
                "storage-initializer --previous`"
            ),
        ),
        (
            a_pod(NEW, ready=False, main=waiting("ImagePullBackOff", "Back-off pulling image")),
            (
                f"Pod {POD} gets no image inference:1 (ImagePullBackOff: Back-off pulling image); "
                "make the image available, or correct the ServingRuntime"
            ),
        ),
        (
            a_pod(NEW, ready=False, main=waiting("CreateContainerConfigError", "no secret keys")),
            (
                f"Pod {POD}: kserve-container cannot begin (CreateContainerConfigError: no secret "
                "keys); correct the ServingRuntime or what it names"
            ),
        ),
        (
            a_pod(
                NEW,
                ready=False,
                phase="Pending",
                conditions=[NO_ROOM],
                initContainerStatuses=[],
                containerStatuses=[],
            ),
            (
                f"Pod {POD} finds no node (0/1 nodes available); add room, or ask for less in the "
                "ServedModel's resources"
            ),
        ),
        (
            a_pod(
                NEW,
                ready=False,
                phase="Failed",
                message="The node was low on memory",
                initContainerStatuses=[],
                containerStatuses=[],
            ),
            f"Pod {POD} has ended (The node was low on memory); another takes its place",
        ),
        (
            a_pod(NEW, ready=False, init={"state": RUNNING}, main=waiting("PodInitializing", "")),
            (
                f"Pod {POD} fetches the version; if that lasts, see `kubectl describe pod "
                f"--namespace {NAMESPACE} {POD}`"
            ),
        ),
        (
            a_pod(NEW, ready=False),
            (
                f"Pod {POD} loads the version, or does not answer in time; if that lasts, see "
                f"`kubectl describe pod --namespace {NAMESPACE} {POD}`"
            ),
        ),
        (
            a_pod(
                NEW,
                ready=False,
                init=waiting("PodInitializing", ""),
                main=waiting("PodInitializing", ""),
            ),
            (
                f"Pod {POD} is being set up; if that lasts, see `kubectl describe pod --namespace "
                f"{NAMESPACE} {POD}`"
            ),
        ),
    ],
    ids=[
        "crash loop",
        "killed for memory",
        "fetching fails",
        "no image",
        "cannot begin",
        "no node",
        "evicted",
        "fetches",
        "loads",
        "being set up",
    ],
)
def test_a_pod_that_does_not_answer_says_what_to_do(pod, said):
    assert a_workload(unfinished(NEW), pod).why_not_ready() == said


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (QUOTA, "raise the namespace's ResourceQuota"),
        (WEBHOOK, "see whether KServe's controller runs"),
        ("violates PodSecurity", "what the ServingRuntime asks for"),
    ],
)
def test_pods_that_may_not_be_created_are_told_in_the_api_servers_words(message, said):
    refused = condition("ReplicaFailure", "True", reason="FailedCreate", message=message)
    why = a_workload(unfinished(NEW, conditions=[refused])).why_not_ready()

    assert why.startswith(f"Deployment {DEPLOYMENT} may not create pods: {message}; ")
    assert said in why


@pytest.mark.parametrize(
    ("deployment", "status", "said"),
    [
        (None, {}, "KServe has not brought Deployment sentiment-blue-predictor to the version"),
        (
            a_deployment(OLD),
            {
                "conditions": [
                    condition(
                        "PredictorReady",
                        "False",
                        reason="ReconcileFailed",
                        message="Service is invalid",
                    )
                ]
            },
            "KServe cannot serve InferenceService sentiment-blue: Service is invalid",
        ),
        (
            None,
            {
                "modelStatus": {
                    "transitionStatus": "InvalidSpec",
                    "lastFailureInfo": {
                        "reason": "RuntimeNotRecognized",
                        "message": "Waiting for runtime",
                    },
                }
            },
            (
                "KServe cannot serve InferenceService sentiment-blue: Waiting for runtime "
                "(RuntimeNotRecognized)"
            ),
        ),
        (
            None,
            {
                "modelStatus": {
                    "transitionStatus": "BlockedByFailedLoad",
                    "lastFailureInfo": {
                        "reason": "ModelLoadFailed",
                        "message": "of the version before",
                    },
                }
            },
            "KServe has not brought Deployment",
        ),
    ],
    ids=["nothing yet", "it cannot reconcile", "no runtime", "an older failure"],
)
def test_what_kserve_has_not_done_is_told_with_its_reason(deployment, status, said):
    assert a_workload(deployment, status=status).why_not_ready().startswith(said)


def test_the_pod_that_will_not_get_better_by_itself_is_told_of():
    pods = [a_pod(NEW, "fetching", ready=False, init={"state": RUNNING}), CRASHED]

    assert "ended 3 times" in a_workload(unfinished(NEW), *pods).why_not_ready()


def test_pods_of_the_version_before_are_waited_for():
    workload = a_workload(rolling("ReplicaSetUpdated"), a_pod(OLD), a_pod(NEW))

    assert workload.why_not_ready() == (
        "Deployment sentiment-blue-predictor replaces the pods of the version before"
    )
