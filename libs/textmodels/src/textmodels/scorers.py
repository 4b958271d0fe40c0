"""What scores texts for a model: an extension in C, and its twin in Python for hosts without it.

Both fill the same columns, which the caller makes: an extension then needs nothing of numpy's. And
both give rows, which the extension writes at once: for one text, columns cost more than scoring it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from textmodels.predictions import PROJECTION_SIZE, Answer, Predictions


class Columns(NamedTuple):
    """Where the answers for n texts over k labels go, as in `Predictions`."""

    scores: NDArray[np.float32]
    """[n, k]"""
    label_indices: NDArray[np.int64]
    tokens: NDArray[np.int32]
    unknown_shares: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    projection: NDArray[np.float16] | None
    """[n, 64]; None: not wanted."""


class Scorer(Protocol):
    """A model's arrays, ready to score. Safe to share between threads."""

    def score(self, texts: Sequence[str], columns: Columns, /) -> None:
        """Score n texts into columns of n rows."""
        ...

    def answer(self, texts: Sequence[str], /) -> list[Answer]:
        """Return the rows that `score` would write."""
        ...


def predict_with(scorer: Scorer, texts: Sequence[str], labels: int) -> Predictions:
    """Score n texts, none included, over k labels."""
    n = len(texts)
    scores, label_indices = np.empty((n, labels), np.float32), np.empty(n, np.int64)
    tokens, unknown_shares = np.empty(n, np.int32), np.empty(n, np.float32)
    truncated, projection = np.empty(n, np.bool_), np.empty((n, PROJECTION_SIZE), np.float16)
    columns = Columns(scores, label_indices, tokens, unknown_shares, truncated, projection)
    scorer.score(texts, columns)
    return Predictions(label_indices, scores, tokens, unknown_shares, truncated, projection)
