"""Scores texts with the trained weights as the Keras network would: in C, or else in numpy."""

from collections.abc import Callable, Mapping, Sequence

from textmodels.families.keras_embedding.network import Arrays, Network
from textmodels.families.keras_embedding.scorer_numpy import Scorer as NumpyScorer
from textmodels.predictions import Answer, Predictions
from textmodels.projections import DenseProjection
from textmodels.scorers import Scorer, predict_with

SCORERS: list[Callable[[Arrays], Scorer]] = [NumpyScorer]
"""The scorers there are on this host, the fastest first."""
try:
    from textmodels.families.keras_embedding._network import Scorer as CScorer
except ImportError:
    pass  # no C compiler when it was installed
else:
    SCORERS.insert(0, CScorer)


class EmbeddingPredictor:
    """A trained network with its vocabulary {term: column}; a term's id is its column + 2.

    `max_length` is the number of word tokens the network reads of a text.
    """

    family = "keras_embedding"
    inline = True

    def __init__(  # noqa: PLR0913, PLR0917 - a network, its labels, and by what it is scored
        self,
        network: Network,
        vocabulary: Mapping[str, int],
        max_length: int,
        labels: tuple[str, ...],
        projection_seed: int,
        scorer: Callable[[Arrays], Scorer] = SCORERS[0],
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.labels = labels
        projection = DenseProjection(network.embedding.shape[1], projection_seed).matrix
        self._scorer = scorer(Arrays.of(network, vocabulary, projection, max_length))

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Score n texts, each cut at `max_length` tokens."""
        return predict_with(self._scorer, texts, len(self.labels))

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """Score n texts, as rows."""
        return self._scorer.answer(texts)
