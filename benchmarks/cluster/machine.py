"""The test cluster's own servers on this machine, and KServe's webhooks: what is hurt below us.

Only for the cluster of tests/cluster, whose process ids stand in files.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kube import eventually, kubectl

STATE = Path("/var/lib/isogloss-cluster")
LOGS = Path(__file__).resolve().parents[2] / ".isogloss" / "cluster" / "logs"
WEBHOOK = "inferenceservice.serving.kserve.io"
KINDS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
# As tests/cluster/parts/processes.sh starts a server: at no moment is its id unknown.
_START = 'read -ra stat <"/proc/$$/stat"; echo "$$ ${stat[21]}" >"$1"; exec "${@:2}"'


def restart(name: str) -> None:
    """End a server of the test cluster and start it with the same arguments."""
    record = STATE / "pids" / name
    pid = int(record.read_text().split()[0])
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _lives(pid), 10)
    with (LOGS / f"{name}.log").open("ab") as log:
        subprocess.Popen(
            ["/bin/bash", "-c", _START, "start", str(record), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@contextmanager
def stuttering(name: str, stopped: float = 0.4, going: float = 0.1) -> Iterator[None]:
    """Stop a server for `stopped` of every `stopped + going` seconds."""
    pid = int((STATE / "pids" / name).read_text().split()[0])
    over = threading.Event()

    def stutter() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(stopped)
            os.kill(pid, signal.SIGCONT)
            time.sleep(going)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def webhook_refused() -> Iterator[None]:
    """Have the API server refuse the certificate of KServe's webhooks of pods and services."""
    held = [json.loads(kubectl("get", kind, WEBHOOK, "-o", "json")) for kind in KINDS]
    # The cluster's own authority did not sign it, as an expired one would not be accepted either.
    strange = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))
    bundle = strange["clusters"][0]["cluster"]["certificate-authority-data"]
    try:
        for document in held:
            _set_bundles(document, [bundle] * len(document["webhooks"]))
        yield
    finally:
        for document in held:
            _set_bundles(document, [w["clientConfig"]["caBundle"] for w in document["webhooks"]])


def _set_bundles(document: dict, bundles: list[str]) -> None:
    patch = [
        {"op": "replace", "path": f"/webhooks/{i}/clientConfig/caBundle", "value": bundle}
        for i, bundle in enumerate(bundles)
    ]
    name = document["metadata"]["name"]
    kind = document["kind"].lower()
    kubectl("patch", kind, name, "--type=json", f"--patch={json.dumps(patch)}")
