"""What each feature of a text adds to the compiled form's decision, and what it is called.

The names are found from the tables as they lie: no copy of the vocabulary is kept for it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textmodels.families.tfidf_linear.tables import NORMS, Tables

Counts = Sequence[tuple[int, int]]
"""(column, how often the text shows it)"""


class Contributions:
    """A model's decision, taken apart."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._word_of = np.full(len(tables.idf), -1, np.int32)
        alone = np.flatnonzero(tables.word_columns >= 0)
        self._word_of[tables.word_columns[alone]] = alone
        self._bigram_of = np.full(len(tables.idf), -1, np.int32)
        self._bigram_of[tables.bigram_columns] = np.arange(len(tables.bigram_columns))

    def towards(self, label: int, counts: Counts) -> tuple[float, NDArray[np.float64]]:
        """Return the intercept and what each feature adds to the decision for a label, [n]."""
        tables = self._tables
        output, sign = (0, 2 * label - 1) if len(tables.bias) == 1 else (label, 1)
        columns = np.array([column for column, _ in counts], np.int64)
        weights = np.array([count for _, count in counts], np.float64)
        if tables.sublinear_tf:
            weights = 1 + np.log(weights)
        norm = self._norm(weights * tables.idf[columns])
        added = weights * tables.weights[columns, output] / norm if norm > 0 else 0 * weights
        return sign * float(tables.bias[output]), sign * added

    def name(self, column: int) -> str:
        """Return the word of a feature, or its two."""
        word = int(self._word_of[column])
        if word >= 0:
            return self._spell(word)
        first, second = self._tables.bigram_words[self._bigram_of[column]].tolist()
        return f"{self._spell(first)} {self._spell(second)}"

    def _norm(self, values: NDArray[np.float64]) -> float:
        norm = NORMS[self._tables.norm]
        if norm is None:
            return 1.0
        return float(np.sqrt(values @ values) if norm == "l2" else np.abs(values).sum())

    def _spell(self, word: int) -> str:
        start = int(self._tables.word_ends[word - 1]) if word else 0
        return self._tables.word_text[start : int(self._tables.word_ends[word])].tobytes().decode()
