"""The families of models, and the one way to fit any of them.

A family's engine (scikit-learn, Keras, ONNX Runtime) is imported when it is used, never before: the
process that serves a Keras model imports none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from textmodels.families import keras_embedding, tfidf_linear, transformer_encoder
from textmodels.families.contract import EngineMissing, Family, Fitted, Training

__all__ = [
    "FAMILIES",
    "EngineMissing",
    "Family",
    "Fitted",
    "Start",
    "Training",
    "fit_family",
    "fit_from",
]

FAMILIES: Mapping[str, Family] = {
    "keras_embedding": keras_embedding,
    "tfidf_linear": tfidf_linear,
    "transformer_encoder": transformer_encoder,
}

# Keras takes no larger seed.
_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class Start:
    """What a model is made from: a family, and the files of a pretrained model if it needs one."""

    family: str
    pretrained: Mapping[str, bytes] = field(default_factory=dict)


def fit_family(  # noqa: PLR0913, PLR0917 - a training configuration, field by field
    family: str,
    texts: Sequence[str],
    labels: Sequence[str],
    params: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> Fitted:
    """Fit a model of the named family, which starts from nothing; as `fit_from` otherwise."""
    return fit_from(Start(family), texts, labels, params, seed, progress)


def fit_from(  # noqa: PLR0913, PLR0917 - a training configuration, field by field
    start: Start,
    texts: Sequence[str],
    labels: Sequence[str],
    params: Mapping[str, Any],
    seed: int,
    progress: Callable[[str], None] | None = None,
) -> Fitted:
    """Fit a model on labelled texts.

    The same start, texts, params and seed give the same model on the same machine. Raises
    ValueError when an argument is out of range, EngineMissing when the family's engine is not
    installed, VerificationError when the serving form does not score as the engine does.
    """
    if start.family not in FAMILIES:
        raise ValueError(f"family {start.family!r} is not one of {', '.join(sorted(FAMILIES))}")
    if not 0 <= seed < _SEED_LIMIT:
        raise ValueError(f"seed {seed} is not between 0 and {_SEED_LIMIT - 1}")
    training = _to_training(texts, labels, seed, progress or _say_nothing)
    return FAMILIES[start.family].fit(replace(training, pretrained=start.pretrained), params)


def _to_training(
    texts: Sequence[str], labels: Sequence[str], seed: int, report: Callable[[str], None]
) -> Training:
    if len(texts) != len(labels):
        raise ValueError(f"{len(texts)} texts but {len(labels)} labels: give one label a text")
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        raise ValueError(f"all texts have the labels {list(names)}: at least two are needed")
    position = {name: index for index, name in enumerate(names)}
    return Training(texts, names, [position[label] for label in labels], seed, report)


def _say_nothing(_message: str) -> None:
    """Take the place of a progress report nobody asked for."""
