"""Scores texts with the compiled form: the C extension, or its twin in Python without one.

A process that loads and scores such a model never sees scikit-learn, which takes some 800 us
for a text whose arithmetic takes 5.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from textmodels.explanations import Explanation
from textmodels.families.tfidf_linear.contributions import Contributions, Counts
from textmodels.families.tfidf_linear.scorer_python import Scorer as PythonScorer
from textmodels.families.tfidf_linear.tables import TABLES_NAME, Tables
from textmodels.predictions import Answer, Predictions
from textmodels.scorers import Scorer, predict_with


class CountingScorer(Scorer, Protocol):
    """What the extension and its twin do: also what an explanation is made of."""

    def count(self, text: str, /) -> list[tuple[int, int]]:
        """Return (column, count) of the features in a text, in the order it shows them."""
        ...


SCORERS: list[Callable[[Tables], CountingScorer]] = [PythonScorer]
"""The scorers there are on this host, the fastest first."""
try:
    from textmodels.families.tfidf_linear._scorer import Scorer as CScorer
except ImportError:
    pass  # no C compiler when it was installed: the twin gives the same numbers
else:
    SCORERS.insert(0, CScorer)


class CompiledPredictor:
    """A model's tables, ready to score.

    `source` is the scikit-learn form, kept as it was read: the files of an artifact hold both.
    """

    family = "tfidf_linear"
    inline = True

    def __init__(
        self,
        tables: Tables,
        labels: tuple[str, ...],
        source: Mapping[str, bytes],
        scorer: Callable[[Tables], CountingScorer] = SCORERS[0],
    ) -> None:
        self.labels = labels
        self._tables = tables
        self._source = source
        self._scorer = scorer(tables)

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Score n texts. None is ever truncated: the model has no input limit."""
        return predict_with(self._scorer, texts, len(self.labels))

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Score n texts, as rows."""
        return self._scorer.answer(texts)

    def explain(self, texts: Sequence[str], most: int) -> list[Explanation]:
        """Return what each text's decision is the sum of, naming at most so many features."""
        predictions = self.predict(texts)
        return [
            self._explain(text, label, scores[label], most)
            for text, label, scores in zip(
                texts, predictions.label_indices.tolist(), predictions.scores.tolist(), strict=True
            )
        ]

    def pack(self) -> Mapping[str, bytes]:
        """Return the files of both forms."""
        return {**self._source, TABLES_NAME: self._tables.to_bytes()}

    @cached_property
    def _contributions(self) -> Contributions:
        return Contributions(self._tables)

    def _explain(self, text: str, label: int, score: float, most: int) -> Explanation:
        counts = self._scorer.count(text)
        intercept, added = self._contributions.towards(label, counts)
        order = np.argsort(-np.abs(added), kind="stable")
        named = [(self._contributions.name(counts[at][0]), float(added[at])) for at in order[:most]]
        return Explanation(
            label_index=label,
            score=score,
            intercept=intercept,
            features=tuple(named),
            rest=float(added[order[most:]].sum()),
            others=self._others(label, counts),
        )

    def _others(self, label: int, counts: Counts) -> tuple[float, ...]:
        if len(self._tables.bias) == 1:
            return (0.0,)
        towards = (
            self._contributions.towards(other, counts)
            for other in range(len(self.labels))
            if other != label
        )
        return tuple(intercept + float(added.sum()) for intercept, added in towards)
