"""HTTP to a Service or a pod through the API server: `kubectl port-forward`, as people use it."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

from kube import eventually

_SAID = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


class Forward:
    """A port of `service/NAME` or `pod/NAME` on this machine; opened again when the pod behind it
    has gone.
    """

    def __init__(self, namespace, target, port):
        self._target = ("--namespace", namespace, target, f":{port}")
        self._process = None
        self._url = None

    def call(self, method, path, body=None, headers=None):
        """Return status and answer (JSON where it is, else text), trying until there is one."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}

        def answer():
            try:
                request = urllib.request.Request(  # noqa: S310 - our own loopback address
                    f"{self._open()}{path}", content, given, method=method
                )
                with urllib.request.urlopen(request, timeout=30) as got:  # noqa: S310
                    return got.status, _read(got)
            except urllib.error.HTTPError as refused:
                return refused.code, _read(refused)
            except OSError:
                self.close()
                return None

        return eventually(answer, 60)

    def place(self):
        """Return HOST:PORT, for whatever is not HTTP."""
        return self._open().removeprefix("http://")

    def close(self):
        """End the forwarding process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process.stdout.close()
        self._process = None

    def _open(self):
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [shutil.which("kubectl"), "port-forward", *self._target],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            said = _SAID.search(self._process.stdout.readline())
            if said is None:
                self.close()
                raise ConnectionError(f"kubectl port-forward {' '.join(self._target)} ended")
            self._url = f"http://127.0.0.1:{said[1]}"
        return self._url


def _read(answer):
    text = answer.read().decode()
    return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
