"""What the jobs need of the world, so that tests can stand in for it.

Every method raises `Unreachable` when the other side does not answer, and `JobRefused` when it
answers that it will not.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lifecycle.model_states import ModelState
from textmodels.explanations import score_of


@dataclass(frozen=True)
class Commit:
    """A commit's full id, whether the project held changes that are in no commit, and the file
    that proves what is in it (`lifecycle.commits`), where there is a repository.
    """

    id: str
    changed: bool
    proof: bytes | None = None


class TrackedRun(Protocol):
    """One run as it is being logged."""

    @property
    def run_id(self) -> str:
        """The run's id at the tracking server."""
        ...

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log what the run was asked for."""
        ...

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers that the run measured."""
        ...

    def log_files(self, directory: Path) -> None:
        """Log every file under a directory as artifacts, by their relative paths."""
        ...


class Tracker(Protocol):
    """Where runs are logged."""

    def run(
        self, experiment: str, name: str, tags: Mapping[str, str]
    ) -> AbstractContextManager[TrackedRun]:
        """Open a run; it ends FINISHED, KILLED on an interrupt, FAILED on any other error."""
        ...


class Registry(Protocol):
    """The registry-proxy, as the jobs use it."""

    def model_state(self, model: str) -> ModelState:
        """Return what the ledger says of a model."""
        ...

    def policy(self, model: str) -> bytes:
        """Return the bytes of the model's gate policy."""
        ...

    def register(self, model: str, run_id: str, artifact_path: str) -> Mapping[str, Any]:
        """Register a run's artifact; returns the version and whether it is new."""
        ...

    def artifact_bytes(self, digest: str) -> int:
        """Return the size of a registered artifact's files together."""
        ...

    def post_evidence(self, model: str, envelope: Mapping[str, Any]) -> str:
        """Hand in signed Evidence; returns its digest."""
        ...


class Monitor(Protocol):
    """The drift-monitor, as the jobs use it."""

    def facts(self, model: str, days: float, until: float | None) -> Mapping[str, Any]:
        """Return all that a report on the days before `until` (now) is made from."""
        ...

    def keep_report(self, model: str, until: float, report: Mapping[str, str]) -> None:
        """Hand a report in: its summary, its facts as JSON, its page."""
        ...

    def sample(self, model: str, digest: str, days: int) -> bytes:
        """Return rows of a version's traffic of the last days as a Reference's file."""
        ...

    def accept(self, model: str, digest: str, content: bytes) -> Mapping[str, Any]:
        """Have a version's traffic compared with this file; returns what it is."""
        ...


@dataclass(frozen=True)
class Answer:
    """What a version makes of one text: its label, and the score of every label."""

    label: str
    scores: Mapping[str, float]

    @property
    def confidence(self) -> float:
        """The score of the label that was given."""
        return self.scores[self.label]


@dataclass(frozen=True)
class Explained:
    """Why a version gives a text its label: what each feature added to the decision, the strongest
    first, what all that are not named added, and the decisions for the other labels.
    """

    label: str
    intercept: float
    features: tuple[tuple[str, float], ...]
    rest: float
    others: tuple[float, ...]

    @property
    def score(self) -> float:
        """The label's score as it follows from the parts."""
        decision = self.intercept + sum(added for _, added in self.features) + self.rest
        return score_of(decision, self.others)


class PredictorConnection(Protocol):
    """One connection to a running inference service; every answer is the right version's."""

    def answers(self, texts: Sequence[str]) -> list[Answer]:
        """Return the answers to a batch of texts."""
        ...

    def explanations(self, texts: Sequence[str]) -> list[Explained] | None:
        """Return why each text gets its label; None where the version explains nothing."""
        ...

    def is_answered(self, text: str) -> bool:
        """Ask for one prediction; tell whether it was given (a full queue is a no)."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class PredictorPlace(Protocol):
    """Where a version is served."""

    def connect(self) -> PredictorConnection:
        """Open a connection of its own, for one thread."""
        ...

    def memory_bytes(self) -> int | None:
        """Return the resident memory of the serving process, None where it does not tell."""
        ...
