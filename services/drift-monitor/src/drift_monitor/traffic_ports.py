"""What is kept of traffic, and what of it was accepted: tables as those in ports."""

from dataclasses import dataclass
from typing import Protocol

from drift_monitor.traffic_samples import TrafficDay


@dataclass(frozen=True)
class AcceptedFile:
    """A Reference of accepted traffic of a version."""

    version: str
    sha256: str
    accepted_at: float
    content: bytes


class Traffic(Protocol):
    """Rows that are kept of a version's traffic, by day (its start)."""

    def highest(self, version: str, day: float) -> float:
        """Return the largest priority that is still kept; infinite while there is room."""

    def keep(self, version: str, more: TrafficDay) -> None:
        """Add rows, and how many were seen; beyond enough those with high priorities go."""

    def between(self, version: str, start: float, end: float) -> list[TrafficDay]:
        """Return the days that began in [start, end), oldest first."""


class AcceptedFiles(Protocol):
    """The newest Reference of accepted traffic of each version."""

    def put(self, file: AcceptedFile) -> None:
        """Keep it in place of an earlier one, whose monitors and nulls go."""

    def sha256_of(self, version: str) -> str | None:
        """Return which it is, None where no traffic was accepted."""

    def file_of(self, version: str) -> AcceptedFile | None:
        """Return it whole."""
