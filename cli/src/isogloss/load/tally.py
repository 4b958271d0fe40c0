"""What came back, by version and by status; the result file is this as JSON.

A request has failed when its answer was anything but 200, or when none came: a broken or refused
connection, or no answer within the time limit.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from isogloss.load.latencies import Latencies

GATEWAY = "gateway"
"""Stands for the version of answers that name none: the gateway gave them itself."""


@dataclass(frozen=True)
class Answer:
    """One answer. Times are seconds since the epoch; `milliseconds` is counted from when the
    request was due, so that a queue inside the load generator is not hidden.
    """

    status: int
    version: str
    sent_at: float
    answered_at: float
    milliseconds: float


@dataclass
class VersionTally:
    """The answers of one version."""

    by_status: Counter[int] = field(default_factory=Counter)
    first_answer_at: float | None = None
    last_answer_at: float | None = None
    last_failed_at: float | None = None
    last_sent_at: float | None = None
    latencies: Latencies = field(default_factory=Latencies)

    def add(self, answer: Answer) -> None:
        """Count one answer."""
        self.by_status[answer.status] += 1
        self.first_answer_at = self.first_answer_at or answer.answered_at
        self.last_answer_at = answer.answered_at
        self.last_sent_at = max(self.last_sent_at or 0.0, answer.sent_at)
        if answer.status != 200:
            self.last_failed_at = answer.answered_at
        self.latencies.add(answer.milliseconds)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "requests": self.by_status.total(),
            "by_status": {str(status): n for status, n in sorted(self.by_status.items())},
            "first_answer_at": self.first_answer_at,
            "last_answer_at": self.last_answer_at,
            "last_failed_at": self.last_failed_at,
            "last_sent_at": self.last_sent_at,
            "latency_ms": self.latencies.summary(),
        }


class Tally:
    """Everything that was counted since the start."""

    def __init__(self) -> None:
        self.versions: dict[str, VersionTally] = {}
        self.unanswered: Counter[str] = Counter()
        self.not_sent = 0
        self._latencies = Latencies()

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.versions.setdefault(answer.version, VersionTally()).add(answer)
        self._latencies.add(answer.milliseconds)

    @property
    def requests(self) -> int:
        """Return how many requests were sent and have come to an end."""
        answered = sum(version.by_status.total() for version in self.versions.values())
        return answered + self.unanswered.total()

    @property
    def failures(self) -> int:
        """Return how many requests failed."""
        good = sum(version.by_status[200] for version in self.versions.values())
        return self.requests - good

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; `not_sent` is what the generator itself could not send in time."""
        statuses: Counter[int] = Counter()
        for version in self.versions.values():
            statuses.update(version.by_status)
        return {
            "requests": self.requests,
            "failures": self.failures,
            "by_status": {str(status): n for status, n in sorted(statuses.items())},
            "unanswered": dict(sorted(self.unanswered.items())),
            "not_sent": self.not_sent,
            "latency_ms": self._latencies.summary(),
            "versions": {name: v.to_dict() for name, v in sorted(self.versions.items())},
        }
