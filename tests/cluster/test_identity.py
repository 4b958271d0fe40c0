"""Who is who in a real cluster: callers by token and Role, keys made once, admitted versions.

The suites are those that files and the small API server pass; rights are those that we document.
"""

import asyncio
import importlib.util
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from registry_proxy.adapters.admitted_object import AdmittedObject
from servicekit.kubernetes_api import KubernetesApi, core
from servicekit.kubernetes_callers import KubernetesCallers

# The API server may be anywhere: KUBECONFIG says where.
pytestmark = [pytest.mark.cluster, pytest.mark.enable_socket]
ROOT = Path(__file__).parents[2]
ADMITTED = "isogloss-admitted"
SECRETS = ["gate", "drift-monitor", "rollout-controller", "registry-proxy", "fingerprint"]


def _load(path):
    spec = importlib.util.spec_from_file_location(f"{path.stem}_for_clusters", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CallersSuite = _load(ROOT / "libs/servicekit/tests/callers_suite.py").CallersSuite
AdmittedSuite = _load(ROOT / "services/registry-proxy/tests/admitted_suite.py").AdmittedSuite


def account(name):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def role(name, *rules):
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": list(rules),
    }


def binding(of_role, name, subject):
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": of_role},
        "subjects": [{"kind": "ServiceAccount", "name": subject}],
    }


def caller_role(name):
    rule = {
        "apiGroups": ["isogloss.dev"],
        "resources": ["callers"],
        "resourceNames": [name],
        "verbs": ["act"],
    }
    return role(f"caller-{name}", rule)


def rule(resource, verbs, *names):
    narrowed = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [""], "resources": [resource], "verbs": verbs, **narrowed}


@pytest.fixture
def run():
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def api(run):
    opened = run(KubernetesApi.open("tests"))
    yield opened
    run(opened.close())


@pytest.fixture
def issue(namespace, kubectl):
    def make(name, audience="isogloss"):
        audiences = [f"--audience={audience}"] if audience else []
        return kubectl("create", "token", name, "-n", namespace.name, *audiences).strip()

    return make


@pytest.fixture
def acting_as(namespace, issue, tmp_path, kubectl):
    """Write a kubeconfig of an account that may do what these rules say, and no more."""

    def make(name, *rules):
        namespace.apply(account(name), role(name, *rules), binding(name, name, name))
        document = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        document["users"][0]["user"] = {"token": issue(name, audience=None)}
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return path

    return make


class TestCallers(CallersSuite):
    @pytest.fixture
    def scene(self, namespace, issue, api, run):
        for name in ("gate", "trainer"):
            namespace.apply(account(name), caller_role(name))
            namespace.apply(binding(f"caller-{name}", f"caller-{name}", name))
        scene = type("Scene", (), {})()
        scene.callers = KubernetesCallers(api, namespace.name, "isogloss", time.monotonic)
        scene.run = run
        scene.token_of = issue
        scene.name_of = lambda name: f"system:serviceaccount:{namespace.name}:{name}"
        scene.stray_token = issue("gate", audience=None)
        return scene


def test_an_account_that_is_deleted_is_soon_nobody(namespace, issue, api, run, eventually):
    minutes = itertools.count()
    callers = KubernetesCallers(api, namespace.name, "isogloss", lambda: 60.0 * next(minutes))
    namespace.apply(account("gate"))
    token = issue("gate")
    assert run(callers.find(token, ["gate"])).roles == frozenset()

    run(api.delete(core(namespace.name, "serviceaccounts", "gate")))

    # The API server itself remembers a token for ten seconds.
    assert eventually(lambda: run(callers.find(token, ["gate"])) is None)


class TestAdmittedObject(AdmittedSuite):
    @pytest.fixture
    def scene(self, namespace, api, run, kubectl):
        kind = {"apiVersion": "isogloss.dev/v1alpha1", "kind": "AdmittedVersions"}
        namespace.apply({**kind, "metadata": {"name": ADMITTED}})  # of charts/isogloss-crds

        def tamper(key, value):
            patch = json.dumps({"data": {key: value}})
            which = ("admittedversions", ADMITTED, "-n", namespace.name, "--type=merge")
            kubectl("patch", *which, "-p", patch)

        scene = type("Scene", (), {})()
        scene.admitted = AdmittedObject(api, namespace.name, ADMITTED)
        scene.run = run
        scene.read = lambda: namespace.get("admittedversions", ADMITTED).get("data", {})
        scene.tamper = tamper
        scene.remove = lambda: kubectl("delete", "admittedversions", ADMITTED, "-n", namespace.name)
        return scene


def make_keys(namespace, kubeconfig, count=1):
    """Run the job's command, several at once; what each said and its exit status."""
    place = ["--namespace", namespace.name, "--instance", "isogloss"]
    command = [sys.executable, "-m", "servicekit.cluster_keys", *place]
    started = [
        subprocess.Popen(
            command, env={"KUBECONFIG": str(kubeconfig)}, stdout=-1, stderr=-1, text=True
        )
        for _ in range(count)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    return [(*said, process.returncode) for said, process in zip(ended, started, strict=True)]


def test_keys_are_made_once_by_an_account_with_no_further_rights(namespace, acting_as):
    names = [f"isogloss-{name}-key" for name in SECRETS]
    kubeconfig = acting_as(
        "isogloss-keys",
        rule("secrets", ["create"]),
        rule("configmaps", ["create"]),
        rule("secrets", ["get"], *names),
        rule("configmaps", ["get", "patch"], "isogloss-trust"),
    )

    first = make_keys(namespace, kubeconfig, count=3)
    made = {item["metadata"]["name"]: item["data"] for item in namespace.get("secrets")["items"]}
    again = make_keys(namespace, kubeconfig)

    assert [status for _, _, status in first + again] == [0, 0, 0, 0], first + again
    assert set(made) == set(names)
    after = {item["metadata"]["name"]: item["data"] for item in namespace.get("secrets")["items"]}
    assert after == made
    trust = json.loads(namespace.get("configmap", "isogloss-trust")["data"]["trust.json"])
    assert [key["role"] for key in trust["keys"]] == SECRETS[:-1]
    assert "was complete" in again[0][0]


def test_an_account_without_rights_is_told_what_it_lacks(namespace, acting_as):
    ((_, said, status),) = make_keys(namespace, acting_as("powerless"))

    assert status == 1
    assert "The keys of isogloss are not complete" in said
    assert 'cannot get resource "secrets"' in said
