"""What is asked of the training job."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingRequest:
    """One run: a family with its settings (`key=value`), on `rows` training rows (None: all)."""

    project: Path
    family: str
    settings: tuple[str, ...] = ()
    rows: int | None = None
    flip_labels: bool = False


def training_arguments(request: TrainingRequest) -> list[str]:
    """Return the training job's command line."""
    arguments = ["train", str(request.project), "--family", request.family]
    for setting in request.settings:
        arguments += ["--set", setting]
    if request.rows is not None:
        arguments += ["--rows", str(request.rows)]
    if request.flip_labels:
        arguments.append("--flip-labels")
    return arguments
