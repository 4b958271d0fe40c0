"""Scores texts with the trained weights in numpy, exactly as the Keras network would.

The network pads or cuts every text to `max_length` ids and takes the largest value of each
embedding dimension. A maximum does not care how often or where an id occurs, so only the
distinct ids are looked at; the padding id is one of them whenever the text is shorter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from textmodels.predictions import Predictions
from textmodels.projections import DenseProjection
from textmodels.tokens import tokenise

PADDING_ID = 0
UNKNOWN_ID = 1
FIRST_TERM_ID = 2


@dataclass(frozen=True)
class Network:
    """The trained weights; the array names are those of the file."""

    embedding: NDArray[np.float32]
    """[2 + terms, dimension]"""
    kernel: NDArray[np.float32]
    """[dimension, 1] for two labels (sigmoid), [dimension, k] for more (softmax)."""
    bias: NDArray[np.float32]
    """[1] or [k]"""


class EmbeddingPredictor:
    """A trained network with its vocabulary {term: column}; a term's id is its column + 2.

    `max_length` is the number of word tokens the network reads of a text.
    """

    family = "keras_embedding"
    inline = True

    def __init__(
        self,
        network: Network,
        vocabulary: Mapping[str, int],
        max_length: int,
        labels: tuple[str, ...],
        projection_seed: int,
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.labels = labels
        self._projection = DenseProjection(network.embedding.shape[1], projection_seed)

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Score n texts, each cut at `max_length` tokens."""
        if not len(texts):
            return Predictions.empty(len(self.labels))
        readings = [self._read(text) for text in texts]
        pooled = np.stack([reading.pooled for reading in readings])
        scores = self._score(pooled)
        return Predictions(
            label_indices=scores.argmax(axis=1),
            scores=scores.astype(np.float32),
            tokens=np.array([reading.tokens for reading in readings], np.int32),
            out_of_vocabulary=np.array([reading.unknown_share for reading in readings], np.float32),
            truncated=np.array([reading.truncated for reading in readings]),
            projection=self._projection.project(pooled),
        )

    def _read(self, text: str) -> "_Reading":
        tokens = tokenise(text)
        truncated = len(tokens) > self.max_length
        ids = to_ids(tokens[: self.max_length], self.vocabulary)
        distinct = set(ids)
        if len(ids) < self.max_length:
            distinct.add(PADDING_ID)
        pooled = self.network.embedding[list(distinct)].max(axis=0)
        unknown_share = ids.count(UNKNOWN_ID) / len(ids) if ids else 0.0
        return _Reading(pooled, len(ids), unknown_share, truncated)

    def _score(self, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
        logits = (pooled @ self.network.kernel + self.network.bias).astype(np.float64)
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


def to_ids(tokens: Sequence[str], vocabulary: Mapping[str, int]) -> list[int]:
    """Return the id of each token."""
    unknown = UNKNOWN_ID - FIRST_TERM_ID
    return [vocabulary.get(token, unknown) + FIRST_TERM_ID for token in tokens]
