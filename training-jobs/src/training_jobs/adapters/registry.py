"""The registry-proxy over HTTP: what it refuses is told in its own words."""

from collections.abc import Mapping
from typing import Any

import httpx

from lifecycle.model_states import ModelState, model_state_from_dict
from training_jobs.refusals import JobRefused, Unreachable

# Registering copies and hashes a whole artifact.
_SECONDS = 120.0


class HttpRegistry:
    """Implements `ports.Registry` as one caller, whose bearer token is `token`."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._url,
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_SECONDS, connect=5.0),
        )

    def model_state(self, model: str) -> ModelState:
        """Return what the ledger says of a model."""
        return model_state_from_dict(self._ask("GET", f"/v1/models/{model}").json())

    def policy(self, model: str) -> bytes:
        """Return the bytes of the model's gate policy."""
        return self._ask("GET", f"/v1/models/{model}/policy").content

    def register(self, model: str, run_id: str, artifact_path: str) -> Mapping[str, Any]:
        """Register a run's artifact; returns the version and whether it is new."""
        body = {"run_id": run_id, "artifact_path": artifact_path}
        answer = self._ask("POST", f"/v1/models/{model}/versions", body)
        return {
            "version": answer.json()["version"],
            "new": answer.status_code == httpx.codes.CREATED,
        }

    def artifact_bytes(self, digest: str) -> int:
        """Ask for one byte of every file: the answers say how many there are."""
        place = f"/v1/artifacts/{digest}"
        files = self._ask("GET", f"{place}/manifest").json()["files"]
        return sum(self._size(f"{place}/files/{name}") for name in files)

    def post_evidence(self, model: str, envelope: Mapping[str, Any]) -> str:
        """Hand in signed Evidence; returns its digest."""
        answer = self._ask("POST", f"/v1/models/{model}/evidence", envelope)
        return str(answer.json()["evidence"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _size(self, path: str) -> int:
        answer = self._ask("GET", path, headers={"range": "bytes=0-0"})
        return int(answer.headers["content-range"].rpartition("/")[2])

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable(
                f"the registry-proxy at {self._url} did not answer ({error}); is it running?"
            ) from error
        if answer.is_success:
            return answer
        told = f"the registry-proxy answered {answer.status_code} to {method} {path}: "
        told += _detail(answer)
        raise Unreachable(told) if answer.is_server_error else JobRefused(told)


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError):
        return answer.text[:200]
