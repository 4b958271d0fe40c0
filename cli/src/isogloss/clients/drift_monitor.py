"""The drift-monitor's routes that people use: drift and feedback."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from isogloss.adapters.http import Service
from isogloss.failures import Refused


class DriftMonitor:
    """What is known of a model's traffic, with the operator's token."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def drift(self, model: str) -> Any:
        """Return every version's signals and the findings."""
        return self._service.get(f"/v1/models/{model}/drift")

    def eligible_pairs(self, model: str, rollout: str) -> int:
        """Return how many mirrored requests a Rollout was judged by; 0 before it is paired."""
        try:
            return int(self._service.get(f"/v1/models/{model}/pairings/{rollout}")["eligible"])
        except Refused as refused:
            if refused.problem.get("status") == HTTPStatus.NOT_FOUND:
                return 0
            raise

    def labelling(self, model: str) -> Any:
        """Return the newest list of requests to label."""
        return self._service.get(f"/v1/models/{model}/labelling")

    def report_page(self, model: str, until: float) -> bytes:
        """Return the page of a report that is kept."""
        return self._service.send("GET", f"/v1/models/{model}/reports/{until}").content

    def feedback(self, items: Sequence[tuple[str, str]]) -> Any:
        """Send (request id, true label) pairs."""
        rows = [{"request_id": request_id, "label": label} for request_id, label in items]
        return self._service.post("/v1/feedback", {"items": rows})

    def traffic(self, model: str, digest: str) -> Any:
        """Return a version's traffic over the last day."""
        return self._service.get(f"/v1/models/{model}/versions/{digest}/traffic")

    def measure_noise(self, model: str, digest: str) -> Any:
        """Keep how often a version differed from itself on texts that were just sent twice."""
        return self._service.post(f"/v1/models/{model}/versions/{digest}/noise", {})
