"""One installed release of the chart, and what a person does with it by kubectl, helm and HTTP."""

import json
import shutil
import subprocess
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from forward import Forward
from kube import eventually, kubectl
from load import REPOSITORY

ROOT = Path(__file__).resolve().parents[3]
CHARTS = ROOT / "charts"
PORTS = {"registry-proxy": 8100, "drift-monitor": 8200, "rollout-controller": 8300, "mlflow": 5000}
OF_TESTS = {"isogloss.dev/installed-by": "tests"}


def helm(*arguments, seconds=600):
    """Run helm and return what it prints."""
    answer = subprocess.run(
        [shutil.which("helm"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert answer.returncode == 0, f"helm {' '.join(arguments)}: {answer.stderr[-3000:]}"
    return answer.stdout


@dataclass
class Release:
    """A release named `isogloss` in one namespace, which gets `labels`.

    `seen` are moments, in seconds, by name.
    """

    namespace: str
    gateway: str
    values: Path
    name: str = "isogloss"
    labels: dict = field(default_factory=dict)
    seen: dict = field(default_factory=dict)
    _forwards: dict = field(default_factory=dict)
    _storage: bool = True

    def install(self):
        """Install both charts into a namespace under the restricted Pod Security standard."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted", **self.labels}
        metadata = {"name": self.namespace, "labels": labels}
        going = f"namespace/{self.namespace}"
        eventually(lambda: not _there(going) or self._phase() == "Active", 120)  # an earlier one's
        kubectl("apply", "-f", "-", document=_object("v1", "Namespace", metadata))
        self.seen["install"] = time.time()
        if not _there("crd/servedmodels.isogloss.dev"):
            chart = str(CHARTS / "isogloss-crds")
            helm("upgrade", "--install", "isogloss-crds", chart, *self._where())
        self._storage = not _there("clusterstoragecontainer/isogloss")
        self.upgrade()

    def upgrade(self, *options, chart=CHARTS / "isogloss"):
        """Install or upgrade the chart, and wait until everything is rolled out."""
        gateway = dict(zip(("namespace", "name"), self.gateway.split("/"), strict=True))
        given = ["--values", str(self.values), "--set", f"image.repository={REPOSITORY}"]
        given += ["--set", f"clusterStorageContainer.create={json.dumps(self._storage)}"]
        given += [part for key in gateway for part in ("--set", f"gateway.{key}={gateway[key]}")]
        wait = ("--wait", "--timeout", "6m")
        helm("upgrade", "--install", self.name, str(chart), *self._where(), *given, *wait, *options)

    def uninstall(self):
        """Remove the release and its namespace, its cluster-wide objects with it."""
        self.close()
        for release in (self.name, "isogloss-crds"):
            helm("uninstall", release, *self._where(), "--ignore-not-found", "--wait")
        kubectl("delete", "namespace", self.namespace, "--wait=false")

    def close(self):
        """End what this process has open; the release goes on."""
        for forward in self._forwards.values():
            forward.close()

    def now(self):
        """Return seconds since the epoch."""
        return time.time()

    def account(self, name):
        """Return how the API server calls one of the release's ServiceAccounts."""
        return f"system:serviceaccount:{self.namespace}:{self.name}-{name}"

    def kubectl(self, *arguments, document=None):
        """Run kubectl in the release's namespace."""
        return kubectl(*arguments, "--namespace", self.namespace, document=document)

    def get(self, kind, *names, **labels):
        """Return an object, or a list of objects by label."""
        selector = [f"-l{','.join(f'{k}={v}' for k, v in labels.items())}"] if labels else []
        return json.loads(self.kubectl("get", kind, *names, *selector, "-o", "json"))

    def apply(self, *documents):
        """Apply objects, by the server."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", "--server-side", "-f", "-", document=items)

    @cached_property
    def token(self):
        """An operator's token for our services."""
        account = f"{self.name}-operator"
        return self.kubectl("create", "token", account, "--audience", "isogloss").strip()

    def call(self, service, method, path, body=None, token=None):
        """Call one of our services; return status and answer."""
        if service not in self._forwards:
            target = (self.namespace, f"service/{self.name}-{service}", PORTS[service])
            self._forwards[service] = Forward(*target)
        given = {"Authorization": f"Bearer {token or self.token}"}
        given["Host"] = f"{self.name}-{service}:{PORTS[service]}"  # MLflow answers to its own name
        return self._forwards[service].call(method, path, body, given)

    def asked(self, service, method, path, body=None):
        """Call one of our services and insist on success; return the answer."""
        status, answer = self.call(service, method, path, body)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def job(self, template, arguments, sidecars=(), seconds=600):
        """Run a Job from one of the chart's templates; return its last line as JSON.

        `sidecars` are (container, digest) of the predictors that are measured beside it.
        """
        source = self.get("cronjob", f"{self.name}-{template}")
        made = source["spec"]["jobTemplate"]
        name = f"{template}-{uuid.uuid4().hex[:6]}"
        pod = made["spec"]["template"]["spec"]
        (main,) = [each for each in pod["containers"] if each["name"] == "job"]
        main["args"] = list(arguments)
        for container, (model, digest) in dict(sidecars).items():
            (beside,) = [each for each in pod["initContainers"] if each["name"] == container]
            _set(beside, "ISOGLOSS_INFERENCE_MODEL", model)
            _set(beside, "ISOGLOSS_INFERENCE_ARTIFACT", f"isogloss://{model}@{digest}")
        metadata = {**made.get("metadata", {}), "name": name}
        job = {**_object("batch/v1", "Job", metadata), "spec": made["spec"]}
        self.kubectl("create", "-f", "-", document=job)
        return self._result(name, seconds)

    def _result(self, name, seconds):
        def ended():
            status = self.get("job", name)["status"]
            kinds = {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}
            return kinds & {"Complete", "Failed"}

        kinds = eventually(ended, seconds, every=1)
        log = self.kubectl("logs", f"job/{name}", "-c", "job")
        assert "Complete" in kinds, f"job {name} failed: {log[-2000:]}"
        # Progress and the result come in one stream, in no certain order at the end.
        (result,) = [line for line in log.splitlines() if line.startswith('{"job"')][-1:]
        return json.loads(result)

    def await_seen(self, model):
        """Wait until the rollout-controller has seen the ServedModel as it is now."""

        def seen():
            served = self.get("servedmodel", model)
            generation = served["metadata"]["generation"]
            return served.get("status", {}).get("observedGeneration") == generation

        eventually(seen, 30)

    def status(self, model):
        """Return the rollout-controller's status of a model."""
        return self.asked("rollout-controller", "GET", f"/v1/models/{model}")

    def state(self, model):
        """Return the ledger's state of a model."""
        return self.asked("registry-proxy", "GET", f"/v1/models/{model}")

    def production(self, model):
        """Return the digest in PRODUCTION, None when there is none."""
        versions = self.state(model)["versions"]
        return next((v["digest"] for v in versions if v["stage"] == "PRODUCTION"), None)

    def roll_out(self, model, digest):
        """Begin a Rollout of a version in STAGING."""
        path = f"/v1/models/{model}/rollouts"
        return self.asked("rollout-controller", "POST", path, {"version": digest})["rollout"]

    def ask_back(self, model, reason):
        """Ask to go back at once; return status and answer. 503: the gateway has yet to do it."""
        path = f"/v1/models/{model}/rollback"
        return self.call("rollout-controller", "POST", path, {"reason": reason})

    def roll_back(self, model, reason):
        """Go back at once; return what the rollout-controller says of it."""
        status, answer = self.ask_back(model, reason)
        assert status < 300, answer
        return answer

    def abort(self, model, reason):
        """Give the Rollout up; no fault where none is under way."""
        path = f"/v1/models/{model}/rollouts/current/abort"
        self.asked("rollout-controller", "POST", path, {"reason": reason})

    def pause(self, model, reason):
        """Hold the Rollout in its phase."""
        path = f"/v1/models/{model}/rollouts/current/pause"
        self.asked("rollout-controller", "POST", path, {"reason": reason})

    def kill(self, component):
        """End all pods of one of our services, as a node that goes away does."""
        label = f"app.kubernetes.io/component={component}"
        self.kubectl("delete", "pods", "-l", label, "--grace-period=0", "--force")

    @contextmanager
    def no_more_pods(self):
        """Have a quota that those who run fill."""
        pods = [each for each in self.get("pods")["items"] if not _is_going(each)]
        running = sum(each["status"]["phase"] == "Running" for each in pods)
        quota = _object("v1", "ResourceQuota", {"name": "narrow"})
        self.apply({**quota, "spec": {"hard": {"pods": str(running)}}})
        try:
            yield
        finally:
            self.kubectl("delete", "resourcequota", "narrow")

    def await_phase(self, model, *phases, seconds=300):
        """Wait until the Rollout is in one of the phases; return the status then."""

        def there():
            status = self.status(model)
            assert status["phase"] in phases, json.dumps(status, indent=1)
            return status

        return eventually(there, seconds, every=0.5)

    def _phase(self):
        path = "jsonpath={.status.phase}"
        return kubectl("get", "namespace", self.namespace, "--ignore-not-found", "-o", path)

    def _where(self):
        return ("--namespace", self.namespace)


def releases_of_tests():
    """Return the namespaces labelled as those that tests have installed a release into."""
    (label,) = [f"{key}={value}" for key, value in OF_TESTS.items()]
    path = "jsonpath={.items[*].metadata.name}"
    return kubectl("get", "namespaces", "-l", label, "-o", path).split()


def _is_going(document):
    """Tell whether an object is being deleted: a pod counts no more as soon as it has ended."""
    return "deletionTimestamp" in document["metadata"]


def _there(name):
    return bool(kubectl("get", name, "--ignore-not-found", "-o", "name"))


def _object(version, kind, metadata):
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _set(container, name, value):
    others = [each for each in container.get("env", []) if each["name"] != name]
    container["env"] = [*others, {"name": name, "value": value}]
