"""The compiled scorer in Python, for hosts where the C extension is not built.

It takes its sums in the same order as native/scoring.h, so both give the same numbers to the
bit; it needs about 40 times as long.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from textmodels.families.tfidf_linear.tables import NORMS, Tables
from textmodels.predictions import PROJECTION_SIZE, Answer
from textmodels.scorers import Columns, predict_with
from textmodels.tokens import tokenise

Key = TypeVar("Key", bound=Hashable)


class Scorer:
    """Scores texts with a model's tables. Safe to share between threads: it only reads them."""

    def __init__(self, tables: Tables) -> None:
        words = _split(tables)
        self._words = _first_of_each(zip(words, range(len(words)), strict=True))
        self._columns = tables.word_columns.tolist()
        pairs = map(tuple, tables.bigram_words.tolist())
        self._bigrams = _first_of_each(zip(pairs, tables.bigram_columns.tolist(), strict=True))
        self._idf = tables.idf.tolist()
        self._weights = tables.weights.tolist()
        self._bias = tables.bias.tolist()
        self._rows = tables.projection_rows
        self._norm = NORMS[tables.norm]
        self._sublinear = tables.sublinear_tf

    def score(self, texts: Sequence[str], columns: Columns) -> None:
        """Score n texts as `scorers.Scorer` says."""
        columns.truncated[:] = False
        for row, text in enumerate(texts):
            words = [self._words.get(token, -1) for token in tokenise(text)]
            counts, unknown = self._count(words)
            values = [self._weigh(count) * self._idf[column] for column, count in counts.items()]
            probabilities = _link(self._decide(counts, values))
            columns.scores[row] = probabilities
            columns.label_indices[row] = probabilities.index(max(probabilities))
            columns.tokens[row] = len(words)
            columns.unknown_shares[row] = unknown / len(words) if words else 0
            if columns.projection is not None:
                columns.projection[row] = self._project(list(counts), values)

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Return the rows that `score` would write."""
        return predict_with(self, texts, max(2, len(self._bias))).answers()

    def count(self, text: str) -> list[tuple[int, int]]:
        """Return (column, count) of the features in a text, in the order it shows them."""
        counts, _ = self._count([self._words.get(token, -1) for token in tokenise(text)])
        return list(counts.items())

    def _count(self, words: Sequence[int]) -> tuple[dict[int, int], int]:
        """Return {column: count}, as the text shows them, and the number of unknown words."""
        counts: dict[int, int] = {}
        unknown = 0
        for word in words:
            column = self._columns[word] if word >= 0 else -1
            if column < 0:
                unknown += 1
            else:
                counts[column] = counts.get(column, 0) + 1
        for pair in pairwise(words):
            if pair in self._bigrams:
                column = self._bigrams[pair]
                counts[column] = counts.get(column, 0) + 1
        return counts, unknown

    def _weigh(self, count: int) -> float:
        return 1 + math.log(count) if self._sublinear else count

    def _decide(self, counts: dict[int, int], values: Sequence[float]) -> list[float]:
        norm = self._measure(values)
        sums = [0.0] * len(self._bias)
        for column, count in counts.items():
            weight = self._weigh(count)
            for output, coefficient in enumerate(self._weights[column]):
                sums[output] += weight * coefficient
        return [
            (total / norm if norm > 0 else 0) + bias
            for total, bias in zip(sums, self._bias, strict=True)
        ]

    def _measure(self, values: Sequence[float]) -> float:
        if self._norm is None:
            return 1
        return _length(values) if self._norm == "l2" else _sum(map(abs, values))

    def _project(self, columns: list[int], values: Sequence[float]) -> NDArray[np.float64]:
        length = _length(values)
        if not length:
            return np.zeros(PROJECTION_SIZE)
        rows = self._rows[columns]
        signed = np.array(values)[:, np.newaxis] * np.where(rows & 0x80, -1.0, 1.0)
        sums = np.bincount((rows & 0x7F).ravel(), signed.ravel(), minlength=PROJECTION_SIZE)
        scale = 0.5 / length  # 0.5: the entries' common size
        return np.multiply(sums, scale, dtype=np.float64)


def _split(tables: Tables) -> list[str]:
    text, start, words = tables.word_text.tobytes(), 0, []
    for end in tables.word_ends.tolist():
        words.append(text[start:end].decode())
        start = end
    return words


def _first_of_each(entries: Iterable[tuple[Key, int]]) -> dict[Key, int]:
    return dict(reversed(list(entries)))


def _sum(values: Iterable[float]) -> float:
    """Add one by one: the built-in sum may add more exactly, which the extension does not."""
    total = 0.0
    for value in values:
        total += value
    return total


def _length(values: Iterable[float]) -> float:
    return math.sqrt(_sum(value * value for value in values))


def _link(decisions: Sequence[float]) -> list[float]:
    """Return the probabilities: the sigmoid for two labels, softmax for more."""
    if len(decisions) == 1:
        second = _sigmoid(decisions[0])
        return [1 - second, second]
    highest = max(decisions)
    powers = [math.exp(decision - highest) for decision in decisions]
    total = _sum(powers)
    return [power / total for power in powers]


def _sigmoid(decision: float) -> float:
    if decision >= 0:
        return 1 / (1 + math.exp(-decision))
    power = math.exp(decision)
    return power / (1 + power)
