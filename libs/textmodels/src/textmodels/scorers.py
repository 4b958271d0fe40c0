"""What scores texts for a model: an extension in C, and its twin in Python for hosts without it.

Both fill the same columns, which the caller makes: an extension then needs nothing of numpy's.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from textmodels.predictions import PROJECTION_SIZE, Predictions


class Scorer(Protocol):
    """A model's arrays, ready to score. Safe to share between threads."""

    def score(  # noqa: PLR0913, PLR0917 - the columns of the answers, one by one
        self,
        texts: Sequence[str],
        scores: NDArray[np.float32],
        label_indices: NDArray[np.int64],
        tokens: NDArray[np.int32],
        unknown_shares: NDArray[np.float32],
        truncated: NDArray[np.bool_],
        projection: NDArray[np.float16] | None,
        /,
    ) -> None:
        """Score n texts into arrays [n, labels], [n], [n], [n], [n] and [n, 64], if any."""
        ...


def predict_with(scorer: Scorer, texts: Sequence[str], labels: int) -> Predictions:
    """Score n texts, none included, over k labels."""
    n = len(texts)
    predictions = Predictions(
        np.empty(n, np.int64),
        np.empty((n, labels), np.float32),
        np.empty(n, np.int32),
        np.empty(n, np.float32),
        np.empty(n, np.bool_),
        np.empty((n, PROJECTION_SIZE), np.float16),
    )
    scorer.score(
        texts,
        predictions.scores,
        predictions.label_indices,
        predictions.tokens,
        predictions.out_of_vocabulary,
        predictions.truncated,
        predictions.projection,
    )
    return predictions
