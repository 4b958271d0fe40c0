"""A Job from its template, and what to do next about it: documents in, decisions out."""

import pytest

from isogloss.cluster.job_documents import JobWish, job_from_template
from isogloss.cluster.job_progress import (
    MAY_PASS_SECONDS,
    NEEDS_A_PERSON_SECONDS,
    START_LIMIT_SECONDS,
    Ended,
    JobView,
    Read,
    Wait,
    next_step,
    patience_for,
)
from isogloss.cluster.jobs import result_of
from isogloss.failures import Refused

DIGEST = "sha256:" + "a" * 64


def a_template(*sidecars):
    beside = [{"name": name, "env": [{"name": "X", "value": "1"}]} for name in sidecars]
    pod = {
        "initContainers": [*beside, {"name": "project", "image": "example:1"}],
        "containers": [{"name": "job", "image": "jobs:1", "args": ["train"]}],
        "serviceAccountName": "isogloss-trainer",
    }
    job = {"metadata": {"labels": {"app": "x"}}, "spec": {"template": {"spec": pod}}}
    return {"metadata": {"name": "isogloss-train"}, "spec": {"jobTemplate": job}}


def test_a_job_is_its_template_with_only_the_wishes_filled_in():
    job = job_from_template(
        a_template(), "isogloss-train-1", JobWish(["train", "/workspace"], "mine:2")
    )

    pod = job["spec"]["template"]
    assert job["metadata"]["name"] == "isogloss-train-1"
    assert job["metadata"]["labels"] == {"app": "x", "isogloss.dev/job-name": "isogloss-train-1"}
    assert pod["metadata"]["labels"] == {"isogloss.dev/job-name": "isogloss-train-1"}
    assert pod["spec"]["containers"] == [
        {"name": "job", "image": "jobs:1", "args": ["train", "/workspace"]}
    ]
    assert pod["spec"]["initContainers"] == [{"name": "project", "image": "mine:2"}]
    assert pod["spec"]["serviceAccountName"] == "isogloss-trainer"


def test_the_template_itself_and_its_project_stay_as_they_are():
    template = a_template()
    job = job_from_template(template, "j", JobWish(["train", "/workspace"]))

    assert template == a_template()
    (project,) = job["spec"]["template"]["spec"]["initContainers"]
    assert project["image"] == "example:1"


def test_each_sidecar_is_told_which_version_it_serves():
    wish = JobWish(["evaluate"], model="sentiment", served={"candidate": DIGEST})
    job = job_from_template(a_template("candidate"), "j", wish)

    (candidate, _) = job["spec"]["template"]["spec"]["initContainers"]
    assert candidate["env"] == [
        {"name": "X", "value": "1"},
        {"name": "ISOGLOSS_INFERENCE_MODEL", "value": "sentiment"},
        {"name": "ISOGLOSS_INFERENCE_ARTIFACT", "value": f"isogloss://sentiment@{DIGEST}"},
    ]


def test_a_template_of_another_chart_is_refused_with_what_it_lacks():
    wish = JobWish(["evaluate"], model="m", served={"baseline": DIGEST})
    with pytest.raises(Refused, match="isogloss-train has no container baseline"):
        job_from_template(a_template("candidate"), "j", wish)


def a_job(condition=None, reason="BackoffLimitExceeded"):
    told = {"type": condition, "status": "True", "reason": reason, "message": "it is over"}
    status = {"conditions": [told]} if condition else {}
    return {"metadata": {"name": "train-1", "uid": "job"}, "status": status}


def a_pod(state=None, name="p1", at="2026-01-01T00:00:01Z", **status):
    held = [{"name": "job", "state": state, "image": "jobs:1"}] if state else []
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": at},
        "status": {"containerStatuses": held, **status},
    }


RUNNING = {"running": {}}
DONE = {"terminated": {"exitCode": 0, "message": '{"job": "train"}'}}
REFUSED = {"terminated": {"exitCode": 1, "message": "refused: no rows", "reason": "Error"}}
KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
NO_IMAGE = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}


@pytest.mark.parametrize(
    ("view", "read", "step"),
    [
        (JobView(a_job(), []), set(), Wait(None)),
        (JobView(a_job(), [a_pod()]), set(), Wait(None)),
        (JobView(a_job(), [a_pod(RUNNING)]), set(), Read("p1")),
        (JobView(a_job(), [a_pod(RUNNING)]), {"p1"}, Read("p1")),
        (JobView(a_job(), [a_pod(DONE)]), set(), Read("p1")),
        (JobView(a_job(), [a_pod(REFUSED)]), {"p1"}, Wait(None)),
        (
            JobView(a_job("Complete"), [a_pod(DONE)]),
            {"p1"},
            Ended(0, '{"job": "train"}', "logs pod/p1 -c job"),
        ),
        (
            JobView(a_job("Failed"), [a_pod(REFUSED)]),
            {"p1"},
            Ended(1, "refused: no rows", "logs pod/p1 -c job"),
        ),
        (
            JobView(a_job("Failed"), [a_pod(KILLED, reason="Evicted", phase="Failed")]),
            {"p1"},
            Ended(137, "", "logs pod/p1 -c job"),
        ),
        (
            JobView(a_job("Failed", "DeadlineExceeded"), []),
            set(),
            Ended(1, "DeadlineExceeded: it is over", "describe job/train-1"),
        ),
        (
            JobView(a_job(), [a_pod(REFUSED), a_pod(RUNNING, "p2", "2026-01-01T00:00:02Z")]),
            {"p1"},
            Read("p2"),
        ),
    ],
    ids=[
        "no pod yet",
        "nothing known of the pod",
        "it runs",
        "it runs though its log broke off",
        "it ended before its log was read",
        "its Job does not know yet",
        "done",
        "refused",
        "killed for its memory",
        "too late",
        "a second try",
    ],
)
def test_the_next_step_follows_from_what_is_seen(view, read, step):
    assert next_step(view, read) == step


def test_a_pod_that_cannot_start_is_waited_for_with_the_reason():
    step = next_step(JobView(a_job(), [a_pod(NO_IMAGE)]), set())

    assert step.trouble.text == "pod p1: the image jobs:1 of job cannot be had: not found"
    assert patience_for(step.trouble) == NEEDS_A_PERSON_SECONDS


def test_a_job_whose_pod_is_not_admitted_is_waited_for_with_the_servers_words():
    said = 'pods "x" is forbidden: exceeded quota: small'
    event = {"reason": "FailedCreate", "message": said, "involvedObject": {"uid": "job"}}
    step = next_step(JobView(a_job(), [], [{"metadata": {}, **event}]), set())

    assert step.trouble.text == f"no pod of job train-1 can be made: {said}"
    assert patience_for(step.trouble) == NEEDS_A_PERSON_SECONDS


def test_an_init_container_that_fails_ends_the_job_with_its_word():
    failed = {"exitCode": 1, "reason": "Error", "message": "cp: no space"}
    held = [{"name": "project", "state": {"terminated": failed}, "image": "example:1"}]
    pod = a_pod({"waiting": {"reason": "PodInitializing"}}, initContainerStatuses=held)

    ended = next_step(JobView(a_job("Failed"), [pod]), set())

    assert ended.code == 1
    assert ended.message == "pod p1: project ended with exit code 1: cp: no space"
    assert ended.look == "logs pod/p1 -c project"


def test_what_may_pass_by_itself_is_waited_for_longer():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    step = next_step(JobView(a_job(), [a_pod(conditions=[condition])]), set())

    assert patience_for(step.trouble) == MAY_PASS_SECONDS
    assert patience_for(None) == START_LIMIT_SECONDS


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ('{"job": "train", "run_id": "x"}', {"job": "train", "run_id": "x"}),
        ('{"jobs": 1}', None),
        ("{no JSON", None),
        ("epoch 3 of 10", None),
        ('["job"]', None),
    ],
)
def test_a_result_is_told_from_progress(line, result):
    assert result_of(line) == result
