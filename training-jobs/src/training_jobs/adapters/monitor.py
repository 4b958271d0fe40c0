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
        facts: Mapping[str, Any] = self._ask("GET", f"/v1/models/{model}/facts", params=query)
        return facts

    def keep_report(self, model: str, until: float, report: Mapping[str, str]) -> None:
        """Hand a report in."""
        self._ask("PUT", f"/v1/models/{model}/reports/{until}", json=report)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unreachable(
                f"the drift-monitor at {self._url} did not answer ({error}); is it running?"
            ) from error
        if answer.is_success:
            return answer.json()
        told = f"the drift-monitor answered {answer.status_code} to {method} {path}: "
        told += f"{answer.text:.300}"
        raise Unreachable(told) if answer.is_server_error else JobRefused(told)
