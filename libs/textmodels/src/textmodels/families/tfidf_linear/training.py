"""Fits the Pipeline: a TF-IDF vectoriser, then logistic regression on its features.

Defaults were measured on the IMDb reviews (19,923 to train on, 4,981 to test): macro-F1 .912 in
15 s. Unigrams alone lose about a point; more features gain less than a tenth of one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from textmodels.families.contract import Fitted, Training
from textmodels.families.params import complete_params
from textmodels.families.tfidf_linear.compiling import compile_if_same
from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.tokens import TOKEN_PATTERN
from textmodels.verification import HOSTILE_TEXTS, require_same_tokens

DEFAULTS: Mapping[str, Any] = {
    "analyzer": "word",  # or char, char_wb
    "ngram_range": [1, 2],
    "min_df": 2,
    "max_features": 100_000,
    "sublinear_tf": True,
    "use_idf": True,
    "norm": "l2",  # or l1, none
    "C": 8.0,
    "max_iter": 500,
    "dtype": "float64",  # float32 halves the memory of many character n-grams
}

_TEXTS_TO_VERIFY = 200


def fit_pipeline(training: Training, params: Mapping[str, Any]) -> Fitted:
    """Fit on the training texts; ValueError when a parameter is unknown or out of range."""
    settings = complete_params("tfidf_linear", DEFAULTS, params)
    vectoriser = _build_vectoriser(settings)
    require_same_tokens(
        [*HOSTILE_TEXTS, *training.texts[:_TEXTS_TO_VERIFY]], TfidfVectorizer().build_analyzer()
    )
    training.report(f"tfidf_linear: reading {len(training.texts)} texts")
    features = vectoriser.fit_transform(training.texts)
    training.report(f"tfidf_linear: fitting weights to {features.shape[1]} features")
    classifier = LogisticRegression(
        C=settings["C"], max_iter=settings["max_iter"], random_state=training.seed
    ).fit(features, np.asarray(training.label_indices))
    pipeline = Pipeline([("vectoriser", vectoriser), ("classifier", classifier)])
    predictor = TfidfPredictor(pipeline, training.labels, training.seed)
    return Fitted(
        family="tfidf_linear",
        labels=training.labels,
        predictor=compile_if_same(predictor, training.texts, training.report),
        params={**settings, "seed": training.seed},
        training_log=[{"iterations": float(classifier.n_iter_.max())}],
        preprocessing=_describe_preprocessing(vectoriser),
        projection_seed=training.seed,
    )


def _build_vectoriser(settings: Mapping[str, Any]) -> TfidfVectorizer:
    if settings["dtype"] not in {"float32", "float64"}:
        raise ValueError(f"tfidf_linear: dtype is {settings['dtype']!r}, not float32 or float64")
    return TfidfVectorizer(
        analyzer=settings["analyzer"],
        ngram_range=tuple(settings["ngram_range"]),
        min_df=settings["min_df"],
        max_features=settings["max_features"],
        sublinear_tf=settings["sublinear_tf"],
        use_idf=settings["use_idf"],
        norm=None if settings["norm"] == "none" else settings["norm"],
        token_pattern=TOKEN_PATTERN,
        dtype=np.dtype(settings["dtype"]).type,
    )


def _describe_preprocessing(vectoriser: TfidfVectorizer) -> dict[str, Any]:
    return {
        "analyzer": vectoriser.analyzer,
        "lowercase": vectoriser.lowercase,
        "ngram_range": list(vectoriser.ngram_range),
        "norm": vectoriser.norm,
        "sublinear_tf": vectoriser.sublinear_tf,
        "token_pattern": vectoriser.token_pattern,
        "vocabulary_size": len(vectoriser.vocabulary_),
    }
