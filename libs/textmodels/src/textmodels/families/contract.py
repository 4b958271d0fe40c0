"""What a family of models must offer, and what passes between it and the rest of the library.

A family is a module: to add one, write it and name it in `textmodels.families.FAMILIES`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from textmodels.manifests import Manifest
from textmodels.predictions import Predictor


class EngineMissing(Exception):
    """A model needs an engine that is not installed here; `engine` is its distribution."""

    def __init__(self, engine: str) -> None:
        super().__init__(f"{engine} is needed and not installed here")
        self.engine = engine


@contextmanager
def engine_needed(engine: str) -> Iterator[None]:
    """Raise EngineMissing where an import inside finds a module missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise EngineMissing(engine) from missing


@dataclass(frozen=True)
class Training:
    """Labelled texts to learn from, and how to go about it."""

    texts: Sequence[str]
    labels: tuple[str, ...]
    """The different labels, sorted: their order is that of the score columns."""
    label_indices: Sequence[int]
    """The truth of each text, as a position in `labels`."""
    seed: int
    """Fixes every random choice."""
    report: Callable[[str], None]
    """Told, in a line, what is being done."""
    pretrained: Mapping[str, bytes] = field(default_factory=dict)
    """The files of the model to start from, by name; none for a family that learns from nothing."""


@dataclass(frozen=True)
class Fitted:
    """A model that has just been built, ready to score and to be saved."""

    family: str
    labels: tuple[str, ...]
    predictor: Predictor
    params: Mapping[str, Any]
    """Every parameter that had an effect, defaults included, as JSON values."""
    training_log: list[dict[str, float]]
    """One entry per epoch or pass."""
    preprocessing: Mapping[str, Any]
    """How a text becomes features, as JSON values: goes into the manifest."""
    projection_seed: int


class Family(Protocol):
    """The shape of a family's module. Importing it must not import its engine."""

    FILE_NAMES: frozenset[str]
    """The files of its artifacts: all of them, always."""
    OPTIONAL_FILE_NAMES: frozenset[str]
    """Files that an artifact may have beside these."""
    PRETRAINED_FILE_NAMES: frozenset[str]
    """The files of the model that training starts from, if it starts from one."""

    def fit(self, training: Training, params: Mapping[str, Any]) -> Fitted:
        """Build a model; ValueError when a parameter is unknown or out of range, EngineMissing."""
        ...

    def pack(self, predictor: Any) -> Mapping[str, bytes]:
        """Return the files of a predictor that this family fitted or unpacked."""
        ...

    def unpack(self, files: Mapping[str, bytes], manifest: Manifest) -> Predictor:
        """Return the predictor; ArtifactError naming the file that is wrong, EngineMissing."""
        ...
