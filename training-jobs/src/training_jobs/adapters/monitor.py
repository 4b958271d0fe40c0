"""The drift-monitor over HTTP."""

from collections.abc import Mapping
from typing import Any

from training_jobs.adapters.service_client import RETRIES, ServiceClient


class HttpMonitor:
    """Implements `ports.Monitor` as one caller, whose bearer token is `token`."""

    def __init__(self, url: str, token: str, retries: int = RETRIES) -> None:
        self._service = ServiceClient("drift-monitor", url, token, retries)

    def facts(self, model: str, days: float, until: float | None) -> Mapping[str, Any]:
        """Return all that a report on the days before `until` (now) is made from."""
        query = {"days": days} | ({"until": until} if until is not None else {})
        facts: Mapping[str, Any] = self._read("GET", f"/v1/models/{model}/facts", params=query)
        return facts

    def keep_report(self, model: str, until: float, report: Mapping[str, str]) -> None:
        """Hand a report in."""
        self._service.ask("PUT", f"/v1/models/{model}/reports/{until}", json=report)

    def sample(self, model: str, digest: str, days: int) -> bytes:
        """Return rows of a version's traffic of the last days as a Reference's file."""
        path = f"/v1/models/{model}/versions/{digest}/sample"
        return self._service.ask("GET", path, params={"days": days}).content

    def accept(self, model: str, digest: str, content: bytes) -> Mapping[str, Any]:
        """Have a version's traffic compared with this file; returns what it is."""
        path = f"/v1/models/{model}/versions/{digest}/accepted"
        accepted: Mapping[str, Any] = self._read("PUT", path, content=content)
        return accepted

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def _read(self, method: str, path: str, **options: Any) -> Any:
        return self._service.ask(method, path, **options).json()
