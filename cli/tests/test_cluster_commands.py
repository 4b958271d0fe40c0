"""The command about a cluster, with a program in place of kubectl and a server behind its
port-forwards. What only a real cluster shows is in tests/cluster/test_cli_on_cluster.py.
"""

import json
import os
import signal
import threading

import psutil
import pytest

from isogloss.__main__ import kubectl_plugin
from isogloss.adapters.processes import pause, steady

TEMPLATE = {
    "metadata": {"name": "isogloss-train"},
    "spec": {
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "containers": [{"name": "job", "image": "jobs:1"}],
                        "initContainers": [{"name": "project", "image": "example:1"}],
                    }
                }
            }
        }
    },
}
RESULT = {
    "job": "train",
    "run_id": "r1",
    "artifact_path": "model",
    "digest": "sha256:aa",
    "metrics": {"macro_f1": 0.9},
}


def listed(*items):
    return json.dumps({"items": items})


def a_job(condition=None):
    conditions = [{"type": condition, "status": "True", "reason": "x"}] if condition else []
    return {
        "kind": "Job",
        "metadata": {"name": "isogloss-train-1", "uid": "j"},
        "status": {"conditions": conditions},
    }


def a_pod(**state):
    held = {"name": "job", "image": "jobs:1", "state": state}
    return {
        "kind": "Pod",
        "metadata": {"name": "p1", "uid": "p"},
        "status": {"containerStatuses": [held]},
    }


def the_job(*views, log="", stays=False):
    """Answers for a Job that is seen in these views, one after the other."""
    *first, last = [{"call": "get jobs,pods", "out": listed(*view)} for view in views]
    return [
        {"call": "get cronjob/isogloss-train", "out": json.dumps(TEMPLATE)},
        {"call": "create --field-manager=isogloss-cli"},
        *({**view, "times": 1} for view in first),
        last,
        {"call": "get events", "out": listed()},
        {"call": "logs", "out": log, "stays": stays},
        {"call": "delete job/"},
    ]


@pytest.fixture
def behind(kubectl, server):
    """A release whose Services all are the test's server."""
    kubectl.answers(
        {
            "call": "port-forward",
            "out": f"Forwarding from 127.0.0.1:{server.port} -> 1\n",
            "stays": True,
        },
        {"call": "create token", "out": "t0k3n\n"},
    )
    return kubectl


@pytest.mark.parametrize("program", ["--cluster", "kubectl"])
def test_a_verb_works_on_a_release_as_on_this_machine(run, behind, server, program):
    model = {"name": "sentiment", "seq": 1, "versions": [], "rollout": None}
    server.answers["GET", "/v1/models"] = (200, {}, {"models": [model]})

    if program == "kubectl":
        found = run("models", "list", "-n", "m", "-o", "json", program=kubectl_plugin)
    else:
        found = run("--cluster", "-n", "m", "models", "list", "-o", "json")

    assert found[0] == 0
    assert json.loads(found[1]) == [model]
    assert server.seen[-1][2]["Authorization"] == "Bearer t0k3n"
    assert not psutil.pid_exists(behind.called("port-forward")[0]["pid"])


@pytest.mark.usefixtures("behind")
def test_the_environment_may_choose_the_cluster(run, server, monkeypatch):
    monkeypatch.setenv("ISOGLOSS_TARGET", "cluster")
    server.answers["GET", "/v1/models"] = (200, {}, {"models": []})

    assert run("models", "list")[0] == 0


def test_a_rollout_is_watched_through_a_restart_of_the_controller(run, behind, server):
    status = {"step": 0, "paused": None, "route": {}, "colours": {}, "verdict": None}
    answers = iter(
        [
            (200, {}, {**status, "phase": "CANARY"}),
            None,
            None,
            (404, {}, {"type": "urn:isogloss:problem:unknown-model", "detail": "no model"}),
            (200, {}, {**status, "phase": "SUCCEEDED"}),
        ]
    )
    server.answers["GET", "/v1/models/m"] = lambda _: next(answers)

    code, _, said = run("--cluster", "rollout", "watch", "m")

    assert code == 0
    assert "Asking again" in said
    assert len(behind.called("port-forward")) >= 2


@pytest.mark.usefixtures("behind")
def test_a_rollback_is_never_sent_twice(run, server):
    server.answers["POST", "/v1/models/m/rollback"] = None

    code, _, said = run("--cluster", "rollout", "rollback", "m", "--reason", "r")

    assert code == 3
    assert "rollout-controller does not answer" in said
    assert len([request for request in server.seen if request[0] == "POST"]) == 1


@pytest.mark.parametrize("verb", [["up"], ["down"], ["demo"]])
def test_what_is_for_this_machine_says_what_to_use_instead(run, verb):
    code, _, said = run("--cluster", *verb)

    assert code == 2
    assert "In a cluster" in said


def test_an_option_of_a_cluster_without_one_is_a_wrong_call(run):
    code, _, said = run("-n", "models", "status")

    assert code == 2
    assert "--namespace is said of a cluster" in said


def test_a_job_shows_its_progress_and_its_result(run, kubectl):
    log = f"reading\n{json.dumps(RESULT)}\nclosed\n"
    kubectl.answers(
        *the_job(
            [a_job()],
            [a_job(), a_pod(running={})],
            [a_job("Complete"), a_pod(terminated={"exitCode": 0})],
            log=log,
        )
    )

    code, out, said = run("--cluster", "train", "--family", "tfidf_linear", "-o", "json")

    assert code == 0, said
    assert json.loads(out) == RESULT
    assert "reading\nclosed\n" in said
    (created,) = kubectl.called("create", "--field-manager=isogloss-cli")
    job = json.loads(created["given"])
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["train", "/workspace", "--family", "tfidf_linear"]


@pytest.mark.parametrize(("ended", "code"), [(1, 1), (2, 2), (3, 3), (137, 1)])
def test_a_job_ends_the_command_with_its_exit_code_and_last_word(run, kubectl, ended, code):
    over = [a_job("Failed"), a_pod(terminated={"exitCode": ended})]
    kubectl.answers(*the_job(over, log="refused: no such family\n"))

    found = run("--cluster", "train", "--family", "x")

    assert found[0] == code
    assert "isogloss: refused: no such family (kubectl logs pod/p1 -c job)" in found[2]


@pytest.fixture
def in_a_terminal():
    """What a shell starts in the background ignores Ctrl-C; a person's command hears it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_a_terminal")
def test_ctrl_c_deletes_the_job(run, kubectl):
    kubectl.answers(*the_job([a_job(), a_pod(running={})], log="reading\n", stays=True))

    def interrupt():
        deadline = steady() + 20
        while not (kubectl.folder / "calls.jsonl").exists() or not kubectl.called("logs"):
            assert steady() < deadline
            pause(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    code, _, said = run("--cluster", "train", "--family", "x")
    interrupting.join()

    assert code == 130
    assert "was deleted" in said
    (deleted,) = kubectl.called("delete")
    created = json.loads(kubectl.called("create")[0]["given"])
    assert deleted["words"][1] == f"job/{created['metadata']['name']}"
    assert not psutil.pid_exists(kubectl.called("logs")[0]["pid"])


def test_a_release_without_templates_is_said(run, kubectl):
    missing = 'Error from server (NotFound): cronjobs.batch "isogloss-train" not found'
    kubectl.answers({"call": "get cronjob", "err": missing, "code": 1})

    code, _, said = run("--cluster", "train", "--family", "x")

    assert code == 1
    assert "has no CronJob isogloss-train" in said
