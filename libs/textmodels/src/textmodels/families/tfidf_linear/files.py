"""Saves and loads the Pipeline: `model.skops` holds all of it but the vocabulary.

skops writes a node of 200 bytes for each term, which takes minutes to save and seconds to load
for 100,000 of them; a JSON array takes neither.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.families.tfidf_linear.skops_files import dump_trusted, load_trusted
from textmodels.manifests import ArtifactError, Manifest
from textmodels.tokens import TOKEN_PATTERN
from textmodels.vocabularies import VOCABULARY_NAME, pack_vocabulary, unpack_vocabulary

MODEL_NAME = "model.skops"

# What training may choose. Everything else must be as we build it: a file that says
# input="filename" would have the vectoriser open the files that texts name.
_CHOSEN = {"ngram_range", "min_df", "max_features", "sublinear_tf", "use_idf", "dtype"}
_CHOICES = {"analyzer": ("word", "char", "char_wb"), "norm": (None, "l1", "l2")}


def pack_pipeline(predictor: TfidfPredictor) -> Mapping[str, bytes]:
    """Return the files of a predictor; the same model always gives the same bytes."""
    steps = predictor.pipeline.named_steps
    vectoriser = copy.copy(steps["vectoriser"])
    vocabulary = vars(vectoriser).pop("vocabulary_")
    stripped = Pipeline([("vectoriser", vectoriser), ("classifier", steps["classifier"])])
    return {MODEL_NAME: dump_trusted(stripped), VOCABULARY_NAME: pack_vocabulary(vocabulary)}


def unpack_pipeline(files: Mapping[str, bytes], manifest: Manifest) -> TfidfPredictor:
    """Return the predictor; ArtifactError when a file is not what `pack_pipeline` writes."""
    loaded = load_trusted(files[MODEL_NAME], MODEL_NAME)
    vocabulary = unpack_vocabulary(files[VOCABULARY_NAME])
    try:
        vectoriser, classifier = loaded.named_steps["vectoriser"], loaded.named_steps["classifier"]
        _require_our_vectoriser(vectoriser, len(vocabulary))
        _require_our_classifier(classifier, len(vocabulary), len(manifest.labels))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{MODEL_NAME}: not a Pipeline of ours ({error!r})") from error
    vectoriser.vocabulary_ = vocabulary
    pipeline = Pipeline([("vectoriser", vectoriser), ("classifier", classifier)])
    return TfidfPredictor(pipeline, manifest.labels, manifest.projection_seed)


def _require_our_vectoriser(vectoriser: Any, terms: int) -> None:
    if type(vectoriser) is not TfidfVectorizer:
        raise ArtifactError(f"{MODEL_NAME}: its vectoriser is a {type(vectoriser).__name__}")
    expected = TfidfVectorizer(token_pattern=TOKEN_PATTERN).get_params()
    for name, value in vectoriser.get_params().items():
        if name not in _CHOSEN and value not in _CHOICES.get(name, (expected[name],)):
            raise ArtifactError(f"{MODEL_NAME}: its vectoriser has {name}={value!r}")
    if vectoriser.use_idf:
        _require_numbers("idf", vectoriser.idf_, (terms,))


def _require_our_classifier(classifier: Any, terms: int, labels: int) -> None:
    if type(classifier) is not LogisticRegression:
        raise ArtifactError(f"{MODEL_NAME}: its classifier is a {type(classifier).__name__}")
    if list(classifier.classes_) != list(range(labels)):
        raise ArtifactError(f"{MODEL_NAME}: its classes are not the manifest's {labels} labels")
    rows = 1 if labels == 2 else labels
    _require_numbers("coef", classifier.coef_, (rows, terms))
    _require_numbers("intercept", classifier.intercept_, (rows,))


def _require_numbers(name: str, values: object, shape: tuple[int, ...]) -> None:
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind != "f":
        raise ArtifactError(f"{MODEL_NAME}: {name} must be an array of floats of shape {shape}")
    if not np.isfinite(values).all():
        raise ArtifactError(f"{MODEL_NAME}: {name} holds a value that is not finite")
