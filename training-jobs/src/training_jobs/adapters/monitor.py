"""The drift-monitor over HTTP: what it refuses is told in its own words."""

from collections.abc import Mapping
from typing import Any

import httpx

from training_jobs.refusals import JobRefused, Unreachable

_SECONDS = 120.0


class HttpMonitor:
    """Implements `ports.Monitor` as one caller, whose bearer token is `token`."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._url,
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_SECONDS, connect=5.0),
        )

    def facts(self, model: str, days: float, until: float | None) -> Mapping[str, Any]:
        """Return all that a report on the days before `until` (now) is made from."""
        query = {"days": days} | ({"until": until} if until is not None else {})
        facts: Mapping[str, Any] = self._read("GET", f"/v1/models/{model}/facts", params=query)
        return facts

    def keep_report(self, model: str, until: float, report: Mapping[str, str]) -> None:
        """Hand a report in."""
        self._ask("PUT", f"/v1/models/{model}/reports/{until}", json=report)

    def sample(self, model: str, digest: str, days: int) -> bytes:
        """Return rows of a version's traffic of the last days as a Reference's file."""
        path = f"/v1/models/{model}/versions/{digest}/sample"
        return self._ask("GET", path, params={"days": days}).content

    def accept(self, model: str, digest: str, content: bytes) -> Mapping[str, Any]:
        """Have a version's traffic compared with this file; returns what it is."""
        path = f"/v1/models/{model}/versions/{digest}/accepted"
        accepted: Mapping[str, Any] = self._read("PUT", path, content=content)
        return accepted

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read(self, method: str, path: str, **options: Any) -> Any:
        return self._ask(method, path, **options).json()

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unreachable(
                f"the drift-monitor at {self._url} did not answer ({error}); is it running?"
            ) from error
        if answer.is_success:
            return answer
        told = f"the drift-monitor answered {answer.status_code} to {method} {path}: "
        told += f"{answer.text:.300}"
        raise Unreachable(told) if answer.is_server_error else JobRefused(told)
