"""Users' requests from a pod of their own, and the counts of what came back."""

import json
import os
import uuid
from dataclasses import dataclass, replace

from kube import KubectlRefused, eventually, kubectl

REPOSITORY = os.environ.get("ISOGLOSS_E2E_IMAGES", "localhost/isogloss")
TAG = os.environ.get("ISOGLOSS_E2E_TAG", "0.1.0")
NAMESPACE = "isogloss-e2e-users"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_STOP = "import os, signal; os.kill(1, signal.SIGTERM)"


@dataclass(frozen=True)
class Users:
    """Which host users send their requests to, at which gateway's address, and which texts."""

    gateway: str
    host: str
    texts: str = "/workspace/.isogloss/data/imdb-reviews-1.0.0/test.parquet"

    def start(self, rate, seconds=900, **slices):
        """Begin to send `rate` requests a second; returns when the first was answered."""
        name = f"users-{uuid.uuid4().hex[:6]}"
        kubectl("create", "-f", "-", document=self._pod(name, rate, seconds, slices))
        return Load(name).begun()

    def about(self, texts):
        """Return the same users, with other texts on their minds."""
        return replace(self, texts=texts)

    def _pod(self, name, rate, seconds, slices):
        command = ["load", self.texts, "--gateway-url", f"http://{self.host}"]
        command += ["--rate", str(rate), "--seconds", str(seconds), "--output", "json"]
        command += ["--result", "/workspace/counts.json"]
        command += [part for key, value in slices.items() for part in ("--slice", f"{key}={value}")]
        mount = {"volumeMounts": [{"name": "work", "mountPath": "/workspace"}]}
        own = {"imagePullPolicy": "IfNotPresent", "securityContext": RESTRICTED, **mount}
        copied = {
            "name": "project",
            "image": f"{REPOSITORY}/example-sentiment:{TAG}",
            "command": ["cp", "-r", "/project/.", "/workspace/"],
        }
        sent = {"name": "load", "image": f"{REPOSITORY}/cli:{TAG}", "args": command}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "restartPolicy": "Never",
                "enableServiceLinks": False,
                "automountServiceAccountToken": False,
                "hostAliases": [{"ip": self.gateway, "hostnames": [self.host]}],
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 999,
                    "fsGroup": 999,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "initContainers": [{**copied, **own}],
                "containers": [
                    {**sent, **own, "env": [{"name": "ISOGLOSS_HOME", "value": "/workspace/home"}]}
                ],
                "volumes": [{"name": "work", "emptyDir": {}}],
            },
        }


@dataclass
class Load:
    """A load that runs in a pod; `ended` once it was stopped."""

    pod: str
    ended: bool = False

    def begun(self):
        """Wait until something was answered."""
        eventually(lambda: self.counts().get("requests"), 120, every=0.5)
        return self

    def counts(self):
        """Return what was counted so far; {} before the first counts are written."""
        try:
            text = kubectl("exec", self.pod, "-n", NAMESPACE, "-c", "load", "--", *_show())
        except KubectlRefused:
            return {}
        return json.loads(text) if text.strip() else {}

    def stop(self):
        """Let the last answers arrive; return all counts."""
        where = ("-n", NAMESPACE)
        if self._phase() == "Running":
            kubectl("exec", self.pod, *where, "-c", "load", "--", "python", "-c", _STOP)
        eventually(lambda: self._phase() in ("Succeeded", "Failed"), 60)
        counts = _result(kubectl("logs", self.pod, *where, "-c", "load"))
        kubectl("delete", "pod", self.pod, *where, "--wait=false")
        self.ended = True
        return counts

    def _phase(self):
        path = "jsonpath={.status.phase}"
        return kubectl("get", "pod", self.pod, "-n", NAMESPACE, "-o", path)


def _result(log):
    """Find the counts among the lines of progress: an object that begins and ends its lines.

    A pod's two streams arrive as one, so a line of progress may stand inside of it.
    """
    lines = [line for line in log.splitlines() if line.startswith((" ", "{", "}"))]
    return json.loads("\n".join(lines[lines.index("{") : len(lines) - lines[::-1].index("}")]))


def _show():
    code = "import pathlib; p = pathlib.Path('/workspace/counts.json'); "
    return ("python", "-c", code + "print(p.read_text() if p.exists() else '')")
