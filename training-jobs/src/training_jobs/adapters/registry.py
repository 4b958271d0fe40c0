"""The registry-proxy over HTTP."""

from collections.abc import Mapping
from typing import Any

import httpx

from lifecycle.model_states import ModelState, model_state_from_dict
from training_jobs.adapters.service_client import RETRIES, ServiceClient


class HttpRegistry:
    """Implements `ports.Registry` as one caller, whose bearer token is `token`."""

    def __init__(self, url: str, token: str, retries: int = RETRIES) -> None:
        self._service = ServiceClient("registry-proxy", url, token, retries)

    def model_state(self, model: str) -> ModelState:
        """Return what the ledger says of a model."""
        return model_state_from_dict(self._service.ask("GET", f"/v1/models/{model}").json())

    def policy(self, model: str) -> bytes:
        """Return the bytes of the model's gate policy."""
        return self._service.ask("GET", f"/v1/models/{model}/policy").content

    def register(self, model: str, run_id: str, artifact_path: str) -> Mapping[str, Any]:
        """Register a run's artifact; returns the version and whether it is new."""
        body = {"run_id": run_id, "artifact_path": artifact_path}
        answer = self._service.ask("POST", f"/v1/models/{model}/versions", json=body)
        return {
            "version": answer.json()["version"],
            "new": answer.status_code == httpx.codes.CREATED,
        }

    def artifact_bytes(self, digest: str) -> int:
        """Ask for one byte of every file: the answers say how many there are."""
        place = f"/v1/artifacts/{digest}"
        files = self._service.ask("GET", f"{place}/manifest").json()["files"]
        return sum(self._size(f"{place}/files/{name}") for name in files)

    def post_evidence(self, model: str, envelope: Mapping[str, Any]) -> str:
        """Hand in signed Evidence; returns its digest."""
        answer = self._service.ask("POST", f"/v1/models/{model}/evidence", json=envelope)
        return str(answer.json()["evidence"])

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _size(self, path: str) -> int:
        answer = self._service.ask("GET", path, headers={"range": "bytes=0-0"})
        return int(answer.headers["content-range"].rpartition("/")[2])
