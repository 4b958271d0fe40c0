"""What tests of a real cluster stand on: kubectl, a namespace for each test, pods that echo.

They are collected only when `make e2e` sets ISOGLOSS_E2E, and need nothing but the API server of
the cluster that KUBECONFIG names: whatever else a test calls, a pod calls it.
"""

import fcntl
import json
import os
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from kube import eventually, kubectl
from load import NAMESPACE as USERS_NAMESPACE
from load import Users
from release import OF_TESTS, Release, releases_of_tests
from sentiment import MODEL, apply_project, staged

collect_ignore_glob = [] if os.environ.get("ISOGLOSS_E2E") else ["test_*.py"]

IMAGE = os.environ.get("ISOGLOSS_E2E_IMAGE", "localhost/echo:1")
GATEWAY = os.environ.get("ISOGLOSS_E2E_GATEWAY", "models/models")
GATEWAY_ADDRESS = os.environ.get("ISOGLOSS_E2E_GATEWAY_ADDRESS")
# What `make e2e` runs in one process, in this order: two processes, each with a release of its own
# where it needs one; three at once starve two cores. What is not named comes after the bad days.
GROUPS = {
    "story": ("test_journey.py", "test_cli_on_cluster.py", "test_chart.py"),
    "platform": (
        "test_cluster.py",
        "test_gateway_adapter.py",
        "test_identity.py",
        "test_images.py",
        "test_lease.py",
        "test_postgresql_pod.py",
        "test_workloads_adapter.py",
    ),
    "bad days": ("test_bad_days.py", "test_rollouts.py"),
}
ORDER = [(group, file) for group, files in GROUPS.items() for file in files]
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
    "capabilities": {"drop": ["ALL"]},
}


def group_of(nodeid):
    """Return the group of a test."""
    file = Path(nodeid.partition("::")[0]).name
    return next((group for group, each in ORDER if each == file), "bad days")


class Groups(LoadScopeScheduling):
    """What runs in one process, one after the other."""

    def _split_scope(self, nodeid):
        return group_of(nodeid)


def pytest_configure(config):
    config.addinivalue_line("markers", "cluster: needs the cluster that KUBECONFIG names: make e2e")


def pytest_xdist_make_scheduler(config, log):
    """Run each group in one process, the groups beside each other."""
    return Groups(config, log)


def pytest_collection_modifyitems(items):
    """The journey begins on a release that nothing was done to; its versions serve the others."""
    files = [file for _, file in ORDER]
    items.sort(key=lambda i: files.index(i.path.name) if i.path.name in files else len(files))


def pytest_terminal_summary(terminalreporter):
    """Say how long each group took: the longest is how long `make e2e` takes."""
    if not os.environ.get("ISOGLOSS_E2E"):
        return
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[group_of(report.nodeid)] += report.duration
    told = ", ".join(f"{group} {each:.0f} s" for group, each in seconds.items())
    terminalreporter.write_line(f"groups beside each other: {told}")


def pytest_sessionfinish(session):
    """Remove what the tests installed once every process has ended: they share cluster-wide parts.

    What an earlier run left behind goes too.
    """
    if os.environ.get("ISOGLOSS_E2E") and not hasattr(session.config, "workerinput"):
        for namespace in releases_of_tests():
            release_in(namespace).uninstall()
        kubectl("delete", "namespace", USERS_NAMESPACE, "--ignore-not-found", "--wait=false")


def echo_container(name):
    return {
        "image": IMAGE,
        "env": [{"name": "NAME", "value": name}],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/v1/models/any", "port": 8080}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
    }


@dataclass(frozen=True)
class Namespace:
    """A namespace of one test, and what the test does in it."""

    name: str

    @property
    def where(self):
        """The options of kubectl that name it."""
        return ("--namespace", self.name)

    def apply(self, *items):
        documents = {"apiVersion": "v1", "kind": "List", "items": list(items)}
        kubectl("apply", "--server-side", "--namespace", self.name, "-f", "-", document=documents)

    def get(self, kind, *names):
        return json.loads(
            kubectl("get", kind, *names, "--namespace", self.name, "--output", "json")
        )

    def wait(self, condition, what, seconds=90):
        flags = [f"--for=condition={condition}", f"--timeout={seconds}s"]
        kubectl("wait", what, "--namespace", self.name, *flags)

    def start_echo(self, name, **spec):
        """Run a pod that echoes, behind a Service of its name."""
        metadata = {"name": name, "labels": {"app": name}}
        container = {"name": "echo", **echo_container(name), **spec.pop("container", {})}
        port = {"name": "http", "port": 80, "targetPort": 8080}
        service = {"selector": {"app": name}, "ports": [port]}
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": {"containers": [container], **spec},
            },
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        )
        self.wait("Ready", f"pod/{name}")

    def url(self, service):
        return f"http://{service}.{self.name}.svc/v1/models/any"

    def calls(self, caller, url, count=1, **headers):
        """Let a pod post to an address; what came back, each time."""
        order = {"url": url, "count": count, **headers}
        path = f"/api/v1/namespaces/{self.name}/pods/{caller}:8080/proxy/calls"
        return json.loads(kubectl("create", "--raw", path, "-f", "-", document=order))

    def seen(self, name):
        """Return the request ids that a pod has answered."""
        path = f"/api/v1/namespaces/{self.name}/pods/{name}:8080/proxy/seen"
        return json.loads(kubectl("get", "--raw", path))

    def route(self, host, backend, mirror=None):
        """Send a host's requests to a Service, and copies of some to another: (name, percent)."""
        rule = {"backendRefs": [{"name": backend, "port": 80}]}
        if mirror:
            reference = {"backendRef": {"name": mirror[0], "port": 80}, "percent": mirror[1]}
            rule["filters"] = [{"type": "RequestMirror", "requestMirror": reference}]
        namespace, name = GATEWAY.split("/")
        self.apply(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": {"name": backend},
                "spec": {
                    "parentRefs": [{"name": name, "namespace": namespace}],
                    "hostnames": [host],
                    "rules": [rule],
                },
            }
        )


@pytest.fixture
def namespace():
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def host(namespace):
    """A host name that no other route has."""
    return f"{namespace.name}.example"


@pytest.fixture(scope="session")
def gateway_address():
    namespace, name = GATEWAY.split("/")
    path = "jsonpath={.status.addresses[0].value}"
    return GATEWAY_ADDRESS or kubectl(
        "get", f"gateways.gateway.networking.k8s.io/{name}", "-n", namespace, "-o", path
    )


@pytest.fixture(scope="session")
def gateway_url(gateway_address):
    return f"http://{gateway_address}/v1/models/any"


@pytest.fixture(name="kubectl", scope="session")
def run_kubectl():
    return kubectl


@pytest.fixture(name="eventually", scope="session")
def ask_until_true():
    return eventually


@pytest.fixture(scope="session")
def predictor():
    """The container of an InferenceService that echoes."""
    return {"name": "kserve-container", **echo_container("predictor")}


def release_in(namespace):
    """Return the tests' release in a namespace."""
    values = Path(__file__).with_name("e2e-values.yaml")
    return Release(namespace, GATEWAY, values, labels=OF_TESTS)


@pytest.fixture(scope="session")
def release(worker_id, tmp_path_factory):
    """Isogloss, installed by its chart in a namespace of its own; each process has one."""
    installed = release_in(f"isogloss-e2e-{worker_id}")
    shared = tmp_path_factory.getbasetemp().parent / f"{os.getppid()}-installing"
    with shared.open("w") as turn:  # whoever is first brings what the cluster has once
        fcntl.flock(turn, fcntl.LOCK_EX)
        installed.install()
    yield installed
    installed.close()


@pytest.fixture(scope="session")
def users(release, gateway_address):
    """Whoever sends texts to the release's model, from a namespace of their own."""
    metadata = {"name": USERS_NAMESPACE}
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    kubectl("apply", "-f", "-", document=document)
    return Users(gateway_address, f"sentiment.{release.namespace}.example")


@pytest.fixture(scope="session")
def versions(release, users):
    """A version in PRODUCTION and one in STAGING."""
    apply_project(release, users.host, bakeSeconds=5)
    production = release.production(MODEL)
    if production is None:
        release.roll_out(MODEL, staged(release, 1500).digest)
        release.await_phase(MODEL, "SUCCEEDED")
        production = release.production(MODEL)
    return production, staged(release, 4000).digest
