"""Explanations of compiled models are exact: their parts are scikit-learn's, and they add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from textmodels.explanations import Explainer, score_of
from textmodels.families.keras_embedding.predictor import EmbeddingPredictor
from textmodels.families.tfidf_linear.compiled_predictor import SCORERS, CompiledPredictor
from textmodels.families.tfidf_linear.compiling import compile_tables
from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.verification import HOSTILE_TEXTS

TWO, THREE = ("negative", "positive"), ("negative", "neutral", "positive")
SETTINGS = {
    "as trained by default": ({"sublinear_tf": True}, TWO),
    "three labels, l1": ({"norm": "l1"}, THREE),
    "no norm, no idf": ({"norm": None, "use_idf": False}, TWO),
    "pairs of words that are no features": ({"max_features": 60}, THREE),
}
ALL = 10_000


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS)
def pipeline(request, reviews):
    changed, names = request.param
    texts, labels = reviews(200, names)
    vectoriser = TfidfVectorizer(**{"ngram_range": (1, 2), "min_df": 2, **changed})
    steps = [("vectoriser", vectoriser), ("classifier", LogisticRegression(C=8.0))]
    return Pipeline(steps).fit(texts, [names.index(label) for label in labels]), names


@pytest.fixture(scope="module")
def tables(pipeline):
    return compile_tables(TfidfPredictor(*pipeline, 3))


@pytest.fixture(scope="module", params=SCORERS, ids=lambda scorer: scorer.__module__)
def predictor(request, pipeline, tables):
    return CompiledPredictor(tables, pipeline[1], {}, request.param)


def expected(pipeline, text, label):
    """Return scikit-learn's intercept and {feature: what it adds} for a label."""
    vectoriser, classifier = (step for _, step in pipeline.steps)
    row = vectoriser.transform([text])
    binary = len(classifier.intercept_) == 1
    sign, output = (2 * label - 1, 0) if binary else (1, label)
    names = vectoriser.get_feature_names_out()
    added = sign * row.data * classifier.coef_[output][row.indices]
    return sign * classifier.intercept_[output], dict(zip(names[row.indices], added, strict=True))


def test_every_part_is_that_of_scikit_learn(pipeline, predictor, unseen):
    texts = [*unseen[0][:20], *HOSTILE_TEXTS[:20]]
    for text, explanation in zip(texts, predictor.explain(texts, ALL), strict=True):
        intercept, added = expected(pipeline[0], text, explanation.label_index)
        assert explanation.intercept == pytest.approx(intercept)
        assert dict(explanation.features) == pytest.approx(added, abs=1e-9)
        assert explanation.rest == 0


def test_the_parts_add_up_to_the_score(predictor, unseen):
    predictions = predictor.predict(unseen[0])
    for row, explanation in enumerate(predictor.explain(unseen[0], 3)):
        assert len(explanation.features) <= 3
        assert explanation.label_index == predictions.label_indices[row]
        assert explanation.score == predictions.scores[row, explanation.label_index]
        score = score_of(explanation.decision, explanation.others)
        assert score == pytest.approx(explanation.score, abs=1e-6)


def test_a_decision_far_below_the_others_scores_nothing():
    assert score_of(-1e6, (0.0,)) == pytest.approx(0, abs=1e-300)
    assert score_of(1e6, (0.0, 1.0)) == 1


def test_the_strongest_features_come_first(predictor, unseen):
    (explanation,) = predictor.explain(unseen[0][:1], 5)
    sizes = [abs(added) for _, added in explanation.features]
    assert sizes == sorted(sizes, reverse=True)


def test_a_text_without_a_known_feature_has_the_intercept_alone(predictor):
    for explanation in predictor.explain(["", "qqqq zzzz"], ALL):
        assert explanation.features == ()
        assert explanation.decision == explanation.intercept


@settings(max_examples=50)
@given(text=st.text(max_size=80))
def test_c_and_python_count_the_same_features(tables, text):
    c, python = (scorer(tables) for scorer in SCORERS)
    for each in (text, text.upper(), f"the film was superb {text} the film"):
        assert c.count(each) == python.count(each)


def test_only_a_model_that_is_a_sum_explains_itself(predictor):
    assert isinstance(predictor, Explainer)
    assert not issubclass(EmbeddingPredictor, Explainer)


def test_counting_takes_texts_only(tables):
    with pytest.raises(TypeError):
        SCORERS[0](tables).count(b"bytes")


def test_scores_are_the_same_after_counting(tables, pipeline, unseen):
    predictor = CompiledPredictor(tables, pipeline[1], {})
    before = predictor.predict(unseen[0]).scores
    predictor.explain(unseen[0], ALL)
    assert np.array_equal(predictor.predict(unseen[0]).scores, before)
