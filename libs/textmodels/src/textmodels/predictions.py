"""What a model says about texts: as columns, an array each, or as rows, an `Answer` a text.

Columns are for arithmetic over many texts, rows for whoever answers callers: plain values, ready
to be written. No text is in them, because what is reported about a text must not give it away.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

PROJECTION_SIZE = 64
_PROJECTION_BYTES = 2 * PROJECTION_SIZE


class Answer(NamedTuple):
    """The answer for one text over k labels: a row of `Predictions`."""

    label_index: int
    scores: list[float]
    """[k]"""
    tokens: int
    out_of_vocabulary: float
    truncated: bool
    projection: bytes
    """64 little-endian half floats."""


@dataclass
class Predictions:
    """The answers for n texts over k labels, in the order of the texts.

    Never changed, but not frozen either: that would cost a microsecond a prediction.
    """

    label_indices: NDArray[np.int64]
    """[n] position of the answer in the predictor's labels."""
    scores: NDArray[np.float32]
    """[n, k] probability of each label; rows sum to 1."""
    tokens: NDArray[np.int32]
    """[n] word tokens the model read."""
    out_of_vocabulary: NDArray[np.float32]
    """[n] share of the text's shortest n-grams (words, mostly) the model has no feature for;
    0 when there are none."""
    truncated: NDArray[np.bool_]
    """[n] the text was cut at the model's input limit."""
    projection: NDArray[np.float16]
    """[n, 64] fixed random projection of the L2-normalised feature vector."""

    @classmethod
    def empty(cls, labels: int) -> Self:
        """Return the answers for no text at all."""
        return cls(
            label_indices=np.zeros(0, np.int64),
            scores=np.zeros((0, labels), np.float32),
            tokens=np.zeros(0, np.int32),
            out_of_vocabulary=np.zeros(0, np.float32),
            truncated=np.zeros(0, np.bool_),
            projection=np.zeros((0, PROJECTION_SIZE), np.float16),
        )

    @classmethod
    def join(cls, parts: Sequence[Self], rows: Sequence[int], labels: int) -> Self:
        """Return the answers for texts 0 .. n-1, of which the parts, in order, answer `rows`."""
        if not parts:
            return cls.empty(labels)
        order = np.argsort(np.asarray(rows), kind="stable")
        names = [field.name for field in fields(cls)]
        return cls(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])[order]
                for name in names
            }
        )

    def answers(self) -> list[Answer]:
        """Return the rows."""
        projections = self.projection.astype("<f2", copy=False).tobytes()
        starts = range(0, len(projections), _PROJECTION_BYTES)
        columns = (
            self.label_indices.tolist(),
            self.scores.tolist(),
            self.tokens.tolist(),
            self.out_of_vocabulary.tolist(),
            self.truncated.tolist(),
            [projections[start : start + _PROJECTION_BYTES] for start in starts],
        )
        return list(map(Answer._make, zip(*columns, strict=True)))

    def row(self, row: int) -> Self:
        """Return the answer for one of the texts."""
        return type(self)(**{name: values[row : row + 1] for name, values in vars(self).items()})


class Predictor(Protocol):
    """A model ready to score. Safe to share between threads."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the score columns."""
        ...

    @property
    def family(self) -> str:
        """The family's name in `textmodels.families.FAMILIES`."""
        ...

    @property
    def inline(self) -> bool:
        """Whether a text costs less than handing it to another thread: some 100 us."""
        ...

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Score any texts: none, empty ones and odd Unicode included."""
        ...


class InlinePredictor(Predictor, Protocol):
    """A Predictor that is `inline`."""

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Return what `predict` does, as rows."""
        ...


def is_inline(predictor: Predictor) -> TypeGuard[InlinePredictor]:
    """Tell whether a predictor may be asked where others wait for it."""
    return predictor.inline


class BatchPredictor(Predictor, Protocol):
    """A Predictor whose texts are worth scoring several at a time, if they are of like length."""

    @property
    def units_together(self) -> int:
        """How many units, padding included, one pass may score; a longer text goes alone."""
        ...

    def read(self, text: str) -> Any:
        """Return what the model sees of a text; its `ids` are as many as it has units."""
        ...

    def score(self, readings: Sequence[Any]) -> Predictions:
        """Score texts that were read, in one pass over the longest of them."""
        ...


def cut_by_length(lengths: Sequence[int], units: int) -> list[list[int]]:
    """Cut n texts into passes of like length: positions, each once, the shortest texts first.

    Padded to its longest text, none holds more than so many units, but for one text that does.
    """
    passes: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if passes and (len(passes[-1]) + 1) * lengths[row] <= units:
            passes[-1].append(row)
        else:
            passes.append([row])
    return passes
