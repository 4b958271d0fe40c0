"""kubectl as a subprocess: the cluster's objects, a pod's log, a way to a Service.

kubectl and no library, because it brings a person's kubeconfig with its credential plugins and
proxies. Every child has a session of its own, so that Ctrl-C reaches this process alone, which
then ends the child by its pid.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from isogloss.adapters.processes import pause, steady
from isogloss.cluster.kubectl_words import failure_of
from isogloss.failures import Failure, Unreachable

FIELD_MANAGER = "isogloss-cli"
_REQUEST_TIMEOUT = "--request-timeout=20s"
_POD_TIMEOUT = "--pod-running-timeout=5s"
_FORWARD_LIMIT_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 0.02
_GRACE_SECONDS = 5.0
_FORWARDED = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) -> ", re.MULTILINE)


@dataclass(frozen=True)
class Access:
    """Which cluster and namespace; None is what kubectl takes by itself."""

    context: str | None = None
    namespace: str | None = None
    kubeconfig: str | None = None

    def options(self) -> list[str]:
        """Return kubectl's own options."""
        named = {
            "--context": self.context,
            "--namespace": self.namespace,
            "--kubeconfig": self.kubeconfig,
        }
        return [f"{option}={value}" for option, value in named.items() if value]


class PortForward:
    """A running `kubectl port-forward`; `port` is where it listens on 127.0.0.1."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.port = port
        self._process = process

    def alive(self) -> bool:
        """Tell whether it still runs: it ends when the pod behind it goes away."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        _end(self._process)


class Kubectl:
    """The cluster as one person may see it. Methods raise Unreachable, Refused or ObjectMissing."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def spelled(self, arguments: str) -> str:
        """Return the kubectl command with these arguments as a person would type it here."""
        return " ".join(["kubectl", *self._access.options(), arguments]) if arguments else ""

    def place(self) -> str:
        """Say in words which namespace is meant, for a person who looked in the wrong one."""
        names = "--output=jsonpath={..namespace} {.current-context}"
        namespace, _, context = self.run("config", "view", "--minify", names).partition(" ")
        named = self._access.namespace or namespace or "default"
        return f"namespace {named} of {context}" if context else f"namespace {named}"

    def get(self, *what: str) -> Any:
        """Return objects as documents: `get("pods", "--selector=a=b")`."""
        return json.loads(self.run("get", *what, "--output=json"))

    def items(self, *what: str) -> list[Any]:
        """Return a list's objects."""
        return list(self.get(*what)["items"])

    def apply(self, manifest: str) -> None:
        """Apply on the server as a field manager of our own; other managers' fields stay theirs."""
        arguments = ("apply", "--server-side", f"--field-manager={FIELD_MANAGER}", "--filename=-")
        self.run(*arguments, given=manifest)

    def create(self, document: Mapping[str, Any]) -> None:
        """Create one object."""
        manager = f"--field-manager={FIELD_MANAGER}"
        self.run("create", manager, "--filename=-", given=json.dumps(document))

    def delete(self, *what: str) -> None:
        """Delete an object with all that belongs to it, if it is there; not waited for."""
        self.run("delete", *what, "--ignore-not-found", "--wait=false")

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl to its end, and return what it printed."""
        completed = subprocess.run(
            [*self._command(), _REQUEST_TIMEOUT, *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,
        )
        if completed.returncode != 0:
            raise self._failure(completed.stderr)
        return completed.stdout

    @contextmanager
    def following(self, pod: str, container: str) -> Iterator[Iterator[str]]:
        """Give a container's log line by line, from its first to its last."""
        arguments = ["logs", "--follow", f"pod/{pod}", f"--container={container}"]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [*self._command(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
            try:
                yield self._lines(process, said)
            finally:
                _end(process)

    def forward(self, service: str, port: int) -> PortForward:
        """Open a way to one of a Service's ready pods."""
        options = ["--address=127.0.0.1", _POD_TIMEOUT]
        arguments = ["port-forward", *options, f"service/{service}", f":{port}"]
        with tempfile.TemporaryFile() as said:
            # To a file: kubectl goes on talking, and nobody would empty a pipe.
            process = subprocess.Popen(
                [*self._command(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return PortForward(process, self._await_port(process, said))
            except BaseException:
                _end(process)
                raise

    def _await_port(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> int:
        deadline = steady() + _FORWARD_LIMIT_SECONDS
        while True:
            ended = process.poll() is not None
            words = _read_all(said)
            if found := _FORWARDED.search(words):
                return int(found[1])
            if ended or steady() > deadline:
                raise self._failure(words if ended else "i/o timeout of kubectl port-forward")
            pause(_LOOK_EVERY_SECONDS)

    def _lines(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> Iterator[str]:
        for line in process.stdout or ():
            yield line.decode(errors="replace").rstrip("\n")
        if process.wait() != 0:
            raise self._failure(_read_all(said))

    def _failure(self, said: str) -> Failure:
        return failure_of(said)

    def _command(self) -> Sequence[str]:
        program = shutil.which("kubectl")
        if program is None:
            raise Unreachable(
                "kubectl is not on the PATH, and through it the cluster is reached: install the "
                "version of your cluster, or leave out --cluster for the platform of this machine"
            )
        return (program, *self._access.options())


def _read_all(file: IO[bytes]) -> str:
    # Not by seeking: the child writes at the position that it shares with us.
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
