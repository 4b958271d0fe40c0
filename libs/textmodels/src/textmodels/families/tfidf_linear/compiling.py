"""Turns a fitted Pipeline into tables, and proves that they answer as scikit-learn does.

A Pipeline that reads anything but words and pairs of them, or whose tables fail the proof, is
served through scikit-learn; the training report says why.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from textmodels.families.tfidf_linear.compiled_predictor import SCORERS, CompiledPredictor
from textmodels.families.tfidf_linear.files import pack_pipeline
from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.families.tfidf_linear.tables import NORMS, Tables
from textmodels.predictions import Predictions, Predictor
from textmodels.tokens import TOKEN_PATTERN
from textmodels.verification import HOSTILE_TEXTS, VerificationError, require_same_scores

# scikit-learn needs about 0.3 ms for each.
_TEXTS_TO_VERIFY = 1_000

_SUPPORTED: Mapping[str, Sequence[Any]] = {
    "analyzer": ["word"],
    "dtype": [np.float64],
    "norm": NORMS,
    "ngram_range": [(1, 1), (1, 2)],
}
_FREE = {"sublinear_tf", "use_idf", "smooth_idf", "min_df", "max_df", "max_features", "vocabulary"}


def compile_if_same(
    predictor: TfidfPredictor, texts: Sequence[str], report: Callable[[str], None]
) -> Predictor:
    """Return the compiled form, proven on hostile texts and on up to 1,000 of `texts`.

    When there is none, or it does not answer as scikit-learn does, tell `report` why and return
    the predictor itself.
    """
    try:
        tables = compile_tables(predictor)
        source = pack_pipeline(predictor)
        every = max(len(texts) // _TEXTS_TO_VERIFY, 1)
        require_same_answers(predictor, tables, [*HOSTILE_TEXTS, *texts[::every]])
    except VerificationError as error:
        report(f"tfidf_linear: will be served through scikit-learn: {error}")
        return predictor
    report(f"tfidf_linear: compiled {len(tables.idf)} features; they score as scikit-learn does")
    return CompiledPredictor(tables, predictor.labels, source)


def compile_tables(predictor: TfidfPredictor) -> Tables:
    """Return the tables of a Pipeline; VerificationError naming the setting they cannot express."""
    steps = predictor.pipeline.named_steps
    vectoriser, classifier = steps["vectoriser"], steps["classifier"]
    _require_supported(vectoriser)
    terms = vectoriser.vocabulary_
    idf = vectoriser.idf_ if vectoriser.use_idf else np.ones(len(terms))
    return Tables(
        **_number_words(terms),
        idf=np.ascontiguousarray(idf, np.float64),
        weights=np.ascontiguousarray((classifier.coef_ * idf).T, np.float64),
        bias=np.asarray(classifier.intercept_, np.float64),
        switches=np.array([NORMS.index(vectoriser.norm), vectoriser.sublinear_tf], np.uint8),
        projection_seed=predictor.projection_seed,
    )


def require_same_answers(predictor: TfidfPredictor, tables: Tables, texts: Sequence[str]) -> None:
    """Require that every scorer on this host answers as scikit-learn; else VerificationError."""
    expected = predictor.predict(texts)
    for scorer in SCORERS:
        found = CompiledPredictor(tables, predictor.labels, {}, scorer).predict(texts)
        require_same_scores(found.scores, expected.scores)
        _require_same_measures(found, expected)


def _require_supported(vectoriser: TfidfVectorizer) -> None:
    expected = TfidfVectorizer(token_pattern=TOKEN_PATTERN).get_params()
    for name, value in vectoriser.get_params().items():
        if name not in _FREE and value not in _SUPPORTED.get(name, [expected[name]]):
            raise VerificationError(f"there is no compiled form with {name}={value!r}")


def _number_words(terms: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return the arrays that lead from words to columns."""
    split = {column: term.split(" ") for term, column in terms.items()}
    numbers = {word: number for number, word in enumerate(sorted(set(chain(*split.values()))))}
    spellings = [word.encode() for word in numbers]
    bigrams = {column: words for column, words in sorted(split.items()) if len(words) == 2}
    pairs = [[numbers[word] for word in words] for words in bigrams.values()]
    return {
        "word_text": np.frombuffer(b"".join(spellings), np.uint8),
        "word_ends": np.cumsum([len(spelling) for spelling in spellings], dtype=np.uint32),
        "word_columns": np.array([terms.get(word, -1) for word in numbers], np.int32),
        "bigram_words": np.array(pairs, np.uint32).reshape(-1, 2),
        "bigram_columns": np.array(list(bigrams), np.uint32),
    }


def _require_same_measures(found: Predictions, expected: Predictions) -> None:
    for name in ("tokens", "out_of_vocabulary", "truncated"):
        if not np.array_equal(getattr(found, name), getattr(expected, name)):
            raise VerificationError(f"{name} differ between the compiled form and scikit-learn")
    # One unit in the last place: sums of another order may round to the other side.
    if not np.allclose(found.projection, expected.projection, rtol=2**-10, atol=2**-24):
        raise VerificationError("the projection differs from scikit-learn's")
