"""A real S3-compatible server (SeaweedFS, from a package) on this machine's loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "key-of-tests", "secret-of-tests"
_PORTS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True)
class BucketServer:
    url: str
    popen: subprocess.Popen

    def stop(self):
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


def start_bucket_server(folder):
    """Start it with one identity, in about 4 s; buckets are made as they are written to."""
    actions = ["Admin", "Read", "Write", "List"]
    identity = {"name": "tests", "actions": actions}
    identity["credentials"] = [{"accessKey": KEY, "secretKey": SECRET}]
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    ports = dict(zip(_flags(), _free_ports(len(_PORTS) * 2), strict=True))
    command = [
        *(str(Path(sys.executable).with_name("weed")), "server", f"-dir={folder}", "-s3"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 'identities.json'}"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=20", "-s3.port.iceberg=0"),
        *(f"-{flag}={port}" for flag, port in ports.items()),
    ]
    with (folder / "log").open("w") as log:
        popen = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    server = BucketServer(f"http://127.0.0.1:{ports['s3.port']}", popen)
    _wait(ports["s3.port"], popen, folder / "log")
    return server


def _flags():
    return [f"{part}.port{kind}" for part in _PORTS for kind in ("", ".grpc")]


def _free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _wait(port, popen, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and popen.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"SeaweedFS does not answer:\n{log.read_text()[-2000:]}")
