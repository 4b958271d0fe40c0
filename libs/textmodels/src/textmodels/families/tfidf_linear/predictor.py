"""Scores texts with the fitted Pipeline itself: one transform a call, checks switched off.

The input is text and the weights are ours, so scikit-learn's validation of both, a quarter of
the time of a short text, would find nothing.
"""

from collections.abc import Sequence

import numpy as np
from sklearn import config_context
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import normalize

from textmodels.predictions import Predictions
from textmodels.projections import SparseProjection
from textmodels.tokens import TOKEN_PATTERN, tokenise


class TfidfPredictor:
    """A fitted Pipeline of steps 'vectoriser' and 'classifier'."""

    family = "tfidf_linear"
    inline = False

    def __init__(self, pipeline: Pipeline, labels: tuple[str, ...], projection_seed: int) -> None:
        self.pipeline = pipeline
        self.labels = labels
        self.projection_seed = projection_seed
        self._vectoriser: TfidfVectorizer = pipeline.named_steps["vectoriser"]
        self._classifier = pipeline.named_steps["classifier"]
        self._projection = SparseProjection(len(self._vectoriser.vocabulary_), projection_seed)
        shortest = self._vectoriser.ngram_range[0]
        self._shortest_ngrams = TfidfVectorizer(
            analyzer=self._vectoriser.analyzer,
            ngram_range=(shortest, shortest),
            token_pattern=TOKEN_PATTERN,
        ).build_analyzer()
        self._ngrams_are_tokens = self._vectoriser.analyzer == "word" and shortest == 1

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Score n texts. None is ever truncated: the model has no input limit."""
        if not len(texts):
            return Predictions.empty(len(self.labels))
        with config_context(assume_finite=True, skip_parameter_validation=True):
            features = self._vectoriser.transform(texts)
            scores = self._classifier.predict_proba(features)
        unit = features if self._vectoriser.norm == "l2" else normalize(features)
        tokens, unknown_shares = zip(*map(self._count, texts), strict=True)
        return Predictions(
            label_indices=scores.argmax(axis=1),
            scores=scores.astype(np.float32, copy=False),
            tokens=np.array(tokens, np.int32),
            out_of_vocabulary=np.array(unknown_shares, np.float32),
            truncated=np.zeros(len(texts), np.bool_),
            projection=self._projection.project(unit.indptr, unit.indices, unit.data),
        )

    def _count(self, text: str) -> tuple[int, float]:
        """Return the number of word tokens, and the share of shortest n-grams without a feature.

        Of words, for a vectoriser of words; of characters, for one of single characters and up.
        """
        vocabulary = self._vectoriser.vocabulary_
        ngrams = tokenise(text) if self._ngrams_are_tokens else self._shortest_ngrams(text)
        tokens = len(ngrams) if self._ngrams_are_tokens else len(tokenise(text))
        unknown = sum(ngram not in vocabulary for ngram in ngrams)
        return tokens, unknown / len(ngrams) if ngrams else 0.0
