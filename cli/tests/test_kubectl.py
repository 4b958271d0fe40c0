"""kubectl's words as failures, and the adapter on a program that stands in for it."""

import os
import signal

import psutil
import pytest

from isogloss.adapters.kubectl import Access, Kubectl
from isogloss.adapters.processes import pause, steady
from isogloss.cluster.kubectl_words import ObjectMissing, failure_of
from isogloss.cluster.releases import Release
from isogloss.cluster.ways import ForwardedWay, OperatorToken
from isogloss.failures import Refused, Unreachable

ACCESS = Access(namespace="models")


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ('Error from server (NotFound): deployments.apps "x" not found', ObjectMissing, "x"),
        ('error: failed to create token: serviceaccounts "x" not found', ObjectMissing, "x"),
        ('error: the server doesn\'t have a resource type "sm"', ObjectMissing, "sm"),
        (
            'E1125 memcache.go:265] "Unhandled"\nThe connection to the server x:1 was refused',
            Unreachable,
            "server x:1 was refused",
        ),
        ("Unable to connect to the server: tls: failed to verify", Unreachable, "tls"),
        ("error: context was not found for specified context: n", Unreachable, "--context"),
        ("error: timed out waiting for the condition", Unreachable, "no pod takes requests"),
        (
            "error: unable to forward port because pod is not running",
            Unreachable,
            "isogloss status",
        ),
        ("Error from server (InternalError): etcdserver: timed out", Unreachable, "etcdserver"),
        (
            'Error from server (Forbidden): pods is forbidden: User "me" cannot list it',
            Refused,
            "auth can-i",
        ),
        ("Error from server (Forbidden): exceeded quota: q", Refused, "exceeded quota"),
        ("error: You must be logged in to the server (Unauthorized)", Refused, "renew them"),
        ("", Refused, "without a word"),
    ],
)
def test_kubectls_words_become_the_failure_that_they_mean(said, kind, told):
    failure = failure_of(said)
    assert type(failure) is kind
    assert told in str(failure)
    assert "memcache" not in str(failure)


def test_the_persons_choices_are_kubectls_own_options():
    access = Access("c", "n", "k")
    assert access.options() == ["--context=c", "--namespace=n", "--kubeconfig=k"]
    assert Access().options() == []


def test_a_missing_kubectl_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreachable, match="kubectl is not on the PATH"):
        Kubectl(ACCESS).get("pods")


def test_objects_are_applied_on_the_server_under_a_name_of_our_own(kubectl):
    kubectl.answers({"call": "apply --server-side --field-manager=isogloss-cli"})

    Kubectl(ACCESS).apply("kind: ServedModel\n")

    (call,) = kubectl.called("apply")
    assert call["given"] == "kind: ServedModel\n"


def test_a_log_is_given_line_by_line_and_a_broken_one_says_so(kubectl):
    call = "logs --follow pod/p --container=job"
    kubectl.answers({"call": call, "out": "one\ntwo\n", "err": "i/o timeout", "code": 1})

    with Kubectl(ACCESS).following("p", "job") as lines:
        assert [next(lines), next(lines)] == ["one", "two"]
        with pytest.raises(Unreachable, match="timeout"):
            next(lines)


def test_a_log_that_is_left_ends_its_program(kubectl):
    kubectl.answers({"call": "logs", "out": "one\n", "stays": True})

    with Kubectl(ACCESS).following("p", "job") as lines:
        assert next(lines) == "one"

    assert not psutil.pid_exists(kubectl.called("logs")[0]["pid"])


def a_way(kubectl, port):
    out = f"Forwarding from 127.0.0.1:{port} -> 8300\n"
    kubectl.answers(
        {"call": "port-forward", "out": out, "stays": True},
        {"call": "create token isogloss-operator --audience=isogloss", "out": "t0k3n\n"},
    )
    access = Kubectl(ACCESS)
    release = Release("isogloss")
    return ForwardedWay(access, release, "rollout-controller", OperatorToken(access, release))


def test_a_way_is_opened_once_when_it_is_used_and_ended_when_it_is_closed(kubectl):
    way = a_way(kubectl, 41235)

    assert way.url() == way.url() == "http://127.0.0.1:41235"
    assert way.token() == way.token() == "t0k3n"
    (forward,) = kubectl.called("port-forward")
    assert forward["words"][3:] == ["service/isogloss-rollout-controller", ":8300"]
    assert len(kubectl.called("create", "token")) == 1

    way.close()
    assert not psutil.pid_exists(forward["pid"])


def test_a_way_whose_pod_went_away_is_opened_again(kubectl):
    way = a_way(kubectl, 41235)
    way.url()
    first = kubectl.called("port-forward")[0]["pid"]
    os.kill(first, signal.SIGKILL)
    deadline = steady() + 10
    while psutil.pid_exists(first) and psutil.Process(first).status() != psutil.STATUS_ZOMBIE:
        assert steady() < deadline
        pause(0.01)

    assert way.url() == "http://127.0.0.1:41235"
    assert len(kubectl.called("port-forward")) == 2
    way.close()


def test_a_way_into_a_namespace_without_the_release_says_where_to_look(kubectl):
    missing = 'Error from server (NotFound): services "isogloss-registry-proxy" not found'
    kubectl.answers(
        {"call": "port-forward", "err": missing, "code": 1},
        {"call": "config view", "out": " test"},
    )
    access, release = Kubectl(ACCESS), Release("isogloss")
    way = ForwardedWay(access, release, "registry-proxy", OperatorToken(access, release))

    with pytest.raises(Refused, match="no release isogloss in namespace models of test"):
        way.url()


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("isogloss", "isogloss-operator"),
        ("my-isogloss", "my-isogloss-operator"),
        ("prod", "prod-isogloss-operator"),
    ],
)
def test_objects_are_called_as_the_chart_calls_them(name, operator):
    assert Release(name).object("operator") == operator
