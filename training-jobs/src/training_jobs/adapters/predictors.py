"""A running inference service over HTTP, spoken to by plain connections of the standard library.

httpx costs 1.6 ms of processor time per request here and stalls under load, which would be
measured as the service's latency; http.client costs 0.3 ms.
"""

import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from training_jobs.ports import Answer, Explained
from training_jobs.refusals import JobRefused, Unreachable

_SECONDS = 30.0
_TRIES = 30
_LONGEST_WAIT_SECONDS = 2.0
_RESIDENT = re.compile(r"^process_resident_memory_bytes (\S+)$", re.MULTILINE)
_EXPLAINED_AT_ONCE = 32
_JSON = {"content-type": "application/json"}


class HttpPredictor:
    """Implements `ports.PredictorPlace`: the service at `url`, which must serve `digest`."""

    def __init__(
        self, role: str, url: str, model: str, digest: str, metrics_url: str | None = None
    ) -> None:
        self.role = role
        self._digest = digest
        self._model = model
        self._url = url
        self._parts = urlsplit(url)
        if self._parts.scheme != "http" or self._parts.hostname is None:
            raise JobRefused(
                f"the {role}'s address is {url!r}; give one like http://127.0.0.1:8400"
            )
        port = (self._parts.port or 80) + 1
        self._metrics_url = metrics_url or f"http://{self._parts.hostname}:{port}"

    def connect(self) -> "HttpConnection":
        """Open a connection of its own, for one thread."""
        return HttpConnection(self)

    def open(self) -> http.client.HTTPConnection:
        """Return a connection that is made at its first request."""
        host = str(self._parts.hostname)
        return http.client.HTTPConnection(host, self._parts.port or 80, timeout=_SECONDS)

    def memory_bytes(self) -> int | None:
        """Read the process's resident memory on its metrics page, where there is one."""
        parts = urlsplit(self._metrics_url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=_SECONDS)
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        found = _RESIDENT.search(page)
        return int(float(found[1])) if found else None

    @property
    def batch_path(self) -> str:
        """The path that takes many texts and gives all scores."""
        return f"/v2/models/{self._model}/infer"

    @property
    def explain_path(self) -> str:
        """The path that says why."""
        return f"/v1/models/{self._model}:explain"

    def refuse_other_version(self, answered: str | None) -> None:
        """Raise JobRefused unless the version that answered is the one that is measured."""
        if answered != self._digest:
            raise JobRefused(
                f"{self._url} answers as {answered or 'no version'}, but the {self.role} is "
                f"{self._digest}; give the address where that version is served"
            )

    def unreachable(self, reason: object) -> Unreachable:
        """Return the error for a service that does not answer."""
        return Unreachable(f"the {self.role} at {self._url} did not answer: {reason}")


class HttpConnection:
    """Implements `ports.PredictorConnection`; not for use by two threads."""

    def __init__(self, place: HttpPredictor) -> None:
        self._place = place
        self._connection = place.open()

    def answers(self, texts: Sequence[str]) -> list[Answer]:
        """Answer a batch; a full queue is waited for, as correctness is asked."""
        tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
        status, content = self._ask(self._place.batch_path, {"inputs": [tensor]})
        if status != http.client.OK:
            raise self._place.unreachable(f"HTTP {status} {content[:200]!r} to a batch of texts")
        return read_answers(content)

    def explanations(self, texts: Sequence[str]) -> list[Explained] | None:
        """Ask why each text gets its label, a few texts at a time."""
        found: list[Explained] = []
        for start in range(0, len(texts), _EXPLAINED_AT_ONCE):
            instances = list(texts[start : start + _EXPLAINED_AT_ONCE])
            status, content = self._ask(self._place.explain_path, {"instances": instances})
            if status == http.client.NOT_FOUND and b"no-explanation" in content:
                return None
            if status != http.client.OK:
                said = f"HTTP {status} {content[:200]!r} when asked why"
                raise self._place.unreachable(said)
            found += read_explanations(content)
        return found

    def is_answered(self, text: str) -> bool:
        """Ask for one prediction; tell whether it was given."""
        try:
            status, _, _ = self._post("/predict", {"text": text})
        except Unreachable:
            return False
        return status == http.client.OK

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, path: str, body: Mapping[str, Any]) -> tuple[int, bytes]:
        for _ in range(_TRIES):
            status, headers, content = self._post(path, body)
            if status != http.client.SERVICE_UNAVAILABLE:
                break
            time.sleep(min(float(headers.get("retry-after", 1)), _LONGEST_WAIT_SECONDS))
        return status, content

    def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        request = json.dumps(body).encode()
        try:
            answer, content = self._exchange(path, request)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise self._place.unreachable(error) from error
        version = answer.getheader("x-model-version")
        if answer.status == http.client.OK or version is not None:
            self._place.refuse_other_version(version)
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, content

    def _exchange(self, path: str, request: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        for is_last in (False, True):
            try:
                self._connection.request("POST", path, request, _JSON)
                answer = self._connection.getresponse()
                return answer, answer.read()
            except ConnectionError:
                # A service may close a connection that was idle: that is no failed prediction.
                self._connection.close()
                if is_last:
                    raise
        raise AssertionError("the loop returns or raises")


def read_answers(content: bytes) -> list[Answer]:
    """Read the tensors `label` and `scores` of an inference answer."""
    outputs = {output["name"]: output for output in json.loads(content)["outputs"]}
    # A parameter of a tensor is a plain value, so the labels' names are JSON in a text.
    names = json.loads(outputs["scores"]["parameters"]["labels"])
    scores = outputs["scores"]["data"]
    given = outputs["label"]["data"]
    rows = (scores[at : at + len(names)] for at in range(0, len(scores), len(names)))
    return [
        Answer(str(label), dict(zip(names, row, strict=True)))
        for label, row in zip(given, rows, strict=True)
    ]


def read_explanations(content: bytes) -> list[Explained]:
    """Read the answer of KServe V1's explain."""
    return [
        Explained(
            label=each["label"],
            intercept=each["intercept"],
            features=tuple((part["feature"], part["contribution"]) for part in each["features"]),
            rest=each["rest"],
            others=tuple(each["others"]),
        )
        for each in json.loads(content)["explanations"]
    ]
