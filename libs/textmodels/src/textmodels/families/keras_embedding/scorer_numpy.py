"""The network in numpy, for hosts where the C extension is not built.

The numbers are those of the extension but for the rounding of float32 sums, whose order differs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmodels.families.keras_embedding.network import PADDING_ID, UNKNOWN_ID, Arrays, to_ids
from textmodels.predictions import Answer
from textmodels.projections import project_by
from textmodels.scorers import Columns, predict_with
from textmodels.tokens import tokenise


class Scorer:
    """Scores texts with a network's arrays. Safe to share between threads: it only reads them."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        text, ends = arrays.word_text.tobytes(), arrays.word_ends.tolist()
        spellings = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        terms = (spelling.decode(errors="surrogatepass") for spelling in spellings)
        self._columns = {term: column for column, term in enumerate(terms)}

    def score(self, texts: Sequence[str], columns: Columns) -> None:
        """Score n texts as `scorers.Scorer` says."""
        if not len(texts):
            return
        readings = [self._read(text) for text in texts]
        pooled = np.stack([reading.pooled for reading in readings])
        columns.scores[:] = probabilities = self._score(pooled)
        columns.label_indices[:] = probabilities.argmax(axis=1)
        columns.tokens[:] = [reading.tokens for reading in readings]
        columns.unknown_shares[:] = [reading.unknown_share for reading in readings]
        columns.truncated[:] = [reading.truncated for reading in readings]
        if columns.projection is not None:
            columns.projection[:] = project_by(self._arrays.projection, pooled)

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Return the rows that `score` would write."""
        return predict_with(self, texts, max(2, len(self._arrays.bias))).answers()

    def _read(self, text: str) -> "_Reading":
        tokens, max_length = tokenise(text), self._arrays.max_length
        ids = to_ids(tokens[:max_length], self._columns)
        distinct = set(ids)
        if len(ids) < max_length:
            distinct.add(PADDING_ID)
        pooled = self._arrays.embedding[list(distinct)].max(axis=0)
        unknown_share = ids.count(UNKNOWN_ID) / len(ids) if ids else 0.0
        return _Reading(pooled, len(ids), unknown_share, len(tokens) > max_length)

    def _score(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        logits = (pooled @ self._arrays.kernel + self._arrays.bias).astype(np.float64)
        if logits.shape[1] == 1:
            second = (1 + np.tanh(logits[:, 0] / 2)) / 2  # the sigmoid, which cannot overflow so
            return np.stack([1 - second, second], axis=1)
        powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
        powers /= powers.sum(axis=1, keepdims=True)
        return powers


class _Reading(NamedTuple):
    """What the network sees of one text."""

    pooled: NDArray[np.float32]
    tokens: int
    unknown_share: float
    truncated: bool
