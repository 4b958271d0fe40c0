"""Turns a pretrained encoder into a classifier: its graph, proven, and a head fitted to its rows.

The encoder itself is not trained. Logistic regression learns on what the serving form says of the
texts, so an int8 head fits an int8 encoder.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from textmodels.families.contract import Fitted, Training
from textmodels.families.params import complete_params
from textmodels.families.transformer_encoder.exact import embed_exactly
from textmodels.families.transformer_encoder.graph import build_graph
from textmodels.families.transformer_encoder.predictor import (
    FLOAT32,
    INT8,
    Encoder,
    EncoderPredictor,
    Head,
)
from textmodels.families.transformer_encoder.pretrained import Pretrained
from textmodels.families.transformer_encoder.wordpiece import (
    WordPiece,
    pack_tokeniser,
    unpack_tokeniser,
)
from textmodels.predictions import cut_by_length
from textmodels.verification import HOSTILE_TEXTS, VerificationError

DEFAULTS: Mapping[str, Any] = {
    "precision": FLOAT32,  # or int8: half the time and two thirds of the file, not the same answers
    "max_length": 256,
    "C": 10.0,
    "max_iter": 1_000,
}

# Double precision takes half a second for a long text.
_TEXTS_TO_VERIFY = 8
# float32 leaves 2e-7 in a row of length 1.
_ROW_TOLERANCE = 1e-5
# int8 leaves cosines from .97; a kernel with a wrong scale or the wrong way round leaves none.
_LEAST_COSINE = 0.9
_TEXTS_AT_ONCE = 1_000
_UNITS_TOGETHER = 512


def fit_head(training: Training, params: Mapping[str, Any]) -> Fitted:
    """Build the encoder and fit the head; ValueError when a parameter or a file is not right.

    Raises VerificationError when the tokeniser or the encoder does not do as the original.
    """
    settings = _complete_settings(params)
    pretrained = Pretrained.from_files(training.pretrained)
    words = _build_tokeniser(pretrained, settings["max_length"])
    sample = [*HOSTILE_TEXTS, *training.texts[:_TEXTS_TO_VERIFY]]
    _require_same_ids(pretrained.tokeniser, words, sample)
    training.report(f"transformer_encoder: building the encoder in {settings['precision']}")
    encoder = Encoder(build_graph(pretrained, settings["precision"]), os.cpu_count() or 1)
    cosine = _require_same_rows(pretrained, encoder, [words.read(text).ids for text in sample])
    head, iterations = _fit(training, settings, _embed(encoder, words, training))
    labels, seed = training.labels, training.seed
    return Fitted(
        family="transformer_encoder",
        labels=labels,
        predictor=EncoderPredictor(Encoder(encoder.raw), words, head, labels, seed),
        params={**settings, "seed": seed, "pretrained_digest": pretrained.digest},
        training_log=[{"iterations": float(iterations), "least_cosine_to_exact": cosine}],
        preprocessing=_describe_preprocessing(words, encoder),
        projection_seed=seed,
    )


def _complete_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    settings = complete_params("transformer_encoder", DEFAULTS, params)
    if settings["precision"] not in {FLOAT32, INT8}:
        raise ValueError(
            f"transformer_encoder: precision is {settings['precision']!r}, not float32 or int8"
        )
    return settings


def _build_tokeniser(pretrained: Pretrained, max_length: int) -> WordPiece:
    longest = len(pretrained.positions)
    if not 3 <= max_length <= longest:
        raise ValueError(
            f"transformer_encoder: max_length is {max_length}, not between 3 and {longest}"
        )
    return unpack_tokeniser(pack_tokeniser(pretrained.tokeniser, max_length))


def _require_same_ids(document: Mapping[str, Any], words: WordPiece, texts: Sequence[str]) -> None:
    """Compare with the tokenizers package, told to take no text for one of the model's marks."""
    plain = {**document, "added_tokens": [], "truncation": None, "padding": None}
    theirs = tokenizers.Tokenizer.from_str(json.dumps(plain))
    for position, text in enumerate(texts):
        whole = theirs.encode(text.encode(errors="ignore").decode()).ids  # it takes no half pairs
        cut = (
            [*whole[: words.max_length - 1], whole[-1]] if len(whole) > words.max_length else whole
        )
        if list(words.read(text).ids) != cut:
            raise VerificationError(
                f"text {position} of {len(texts)} is read differently by the tokenizers package"
            )


def _require_same_rows(
    pretrained: Pretrained, encoder: Encoder, rows: Sequence[Sequence[int]]
) -> float:
    """Compare with double precision, each text alone and all together; return the least cosine."""
    exact = np.stack([embed_exactly(pretrained, ids) for ids in rows])
    found = _embed_rows(encoder, rows, 1)
    cosine = float((exact * found).sum(axis=1).min())
    if encoder.precision == INT8:
        close = cosine >= _LEAST_COSINE
    else:
        together = _embed_rows(encoder, rows, _UNITS_TOGETHER)
        close = max(np.abs(each - exact).max() for each in (found, together)) <= _ROW_TOLERANCE
    if not close:
        raise VerificationError(
            f"the encoder in {encoder.precision} gives other rows than in double precision: "
            f"the least cosine is {cosine:.4f}"
        )
    return cosine


def _embed(encoder: Encoder, words: WordPiece, training: Training) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(training.texts), _TEXTS_AT_ONCE):
        texts = training.texts[start : start + _TEXTS_AT_ONCE]
        units = 1 if encoder.precision == INT8 else _UNITS_TOGETHER
        parts.append(_embed_rows(encoder, [words.read(text).ids for text in texts], units))
        training.report(
            f"transformer_encoder: encoded {start + len(texts)} of {len(training.texts)} texts"
        )
    return np.concatenate(parts)


def _embed_rows(encoder: Encoder, rows: Sequence[Sequence[int]], units: int) -> NDArray[np.float32]:
    embedded = np.empty((len(rows), encoder.width), np.float32)
    for together in cut_by_length([len(ids) for ids in rows], units):
        embedded[together] = encoder.embed([rows[row] for row in together])
    return embedded


def _fit(
    training: Training, settings: Mapping[str, Any], embedded: NDArray[np.float32]
) -> tuple[Head, int]:
    training.report(f"transformer_encoder: fitting the head to {len(embedded)} texts")
    classifier = LogisticRegression(
        C=settings["C"], max_iter=settings["max_iter"], random_state=training.seed
    ).fit(embedded, np.asarray(training.label_indices))
    kernel = np.ascontiguousarray(classifier.coef_.T, np.float32)
    head = Head(kernel, classifier.intercept_.astype(np.float32))
    return head, int(classifier.n_iter_.max())


def _describe_preprocessing(words: WordPiece, encoder: Encoder) -> dict[str, Any]:
    return {
        "lowercase": True,
        "max_length": words.max_length,
        "precision": encoder.precision,
        "tokeniser": "wordpiece",
        "vocabulary_size": len(words.vocabulary),
    }
