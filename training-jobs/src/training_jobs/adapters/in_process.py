"""An artifact asked in this very process, before anything serves it."""

from collections.abc import Sequence
from pathlib import Path

from textmodels.artifacts import ArtifactError, Manifest, load_artifact
from textmodels.explanations import Explainer
from textmodels.predictions import Predictor
from training_jobs.ports import Answer, Explained
from training_jobs.refusals import JobRefused

_BATCH = 256
_FEATURES = 20
"""As many as the inference service names."""


def open_artifact(directory: Path) -> tuple[Manifest, "InProcess"]:
    """Load an artifact whose every byte is what its manifest names; raises JobRefused."""
    try:
        manifest, predictor = load_artifact(directory)
    except ArtifactError as error:
        raise JobRefused(f"{directory} is no artifact that can be used: {error}") from error
    return manifest, InProcess(predictor)


class InProcess:
    """Implements `ports.PredictorPlace` and `ports.PredictorConnection` on a loaded predictor."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def connect(self) -> "InProcess":
        """Return itself: there is nothing to connect to."""
        return self

    def answers(self, texts: Sequence[str]) -> list[Answer]:
        """Score the texts."""
        found: list[Answer] = []
        labels = self._predictor.labels
        for start in range(0, len(texts), _BATCH):
            made = self._predictor.predict(list(texts[start : start + _BATCH]))
            rows = zip(made.label_indices.tolist(), made.scores.tolist(), strict=True)
            found += [Answer(labels[i], dict(zip(labels, row, strict=True))) for i, row in rows]
        return found

    def explanations(self, texts: Sequence[str]) -> list[Explained] | None:
        """Explain the texts, where the predictor can."""
        if not isinstance(self._predictor, Explainer):
            return None
        labels = self._predictor.labels
        return [
            Explained(
                labels[each.label_index], each.intercept, each.features, each.rest, each.others
            )
            for each in self._predictor.explain(texts, _FEATURES)
        ]

    def is_answered(self, text: str) -> bool:
        """Score one text."""
        return bool(self.answers([text]))

    def memory_bytes(self) -> int | None:
        """Return None: this process holds more than the predictor."""
        return None

    def close(self) -> None:
        """Do nothing."""
