import copy

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from textmodels.families import FAMILIES, fit_family
from textmodels.families.tfidf_linear.files import unpack_pipeline
from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.manifests import ArtifactError, Manifest

FAMILY = FAMILIES["tfidf_linear"]
MANIFEST = Manifest("tfidf_linear", ("negative", "positive"), {}, 3, {}, {})


@pytest.fixture(scope="module")
def pipeline(reviews):
    texts, labels = reviews(200, ("negative", "positive"))
    fitted = fit_family("tfidf_linear", texts, labels, {}, seed=3)
    return unpack_pipeline(FAMILY.pack(fitted.predictor), MANIFEST).pipeline


def test_scores_are_those_of_scikit_learn(pipeline, unseen):
    texts, _ = unseen
    predictor = TfidfPredictor(pipeline, MANIFEST.labels, 3)
    assert np.allclose(predictor.predict(texts).scores, pipeline.predict_proba(texts), atol=1e-7)


def test_characters_may_be_the_features(reviews, unseen):
    texts, labels = reviews(200, ("negative", "positive"))
    params = {"analyzer": "char", "ngram_range": (1, 6), "dtype": "float32"}
    fitted = fit_family("tfidf_linear", texts, labels, params, seed=3)
    assert fitted.params["ngram_range"] == [1, 6]
    predictions = fitted.predictor.predict(["The \u0444ilm", *unseen[0]])
    assert predictions.tokens[0] == 2
    assert predictions.out_of_vocabulary[0] == pytest.approx(1 / 8)
    found = [fitted.labels[index] for index in predictions.label_indices[1:]]
    assert np.mean([one == other for one, other in zip(found, unseen[1], strict=True)]) > 0.9
    again = FAMILY.unpack(FAMILY.pack(fitted.predictor), MANIFEST)
    assert np.array_equal(again.predict(unseen[0]).scores, predictions.scores[1:])


def test_the_fitted_pipeline_is_left_whole_when_it_is_packed(pipeline):
    FAMILY.pack(TfidfPredictor(pipeline, MANIFEST.labels, 3))
    assert pipeline.named_steps["vectoriser"].vocabulary_


@pytest.mark.parametrize(
    ("name", "value"),
    [("input", "filename"), ("lowercase", False), ("token_pattern", r"(a+)+$"), ("norm", "max")],
)
def test_a_vectoriser_with_another_setting_is_refused(name, value, pipeline):
    vectoriser = pipeline.named_steps["vectoriser"]
    original = getattr(vectoriser, name)
    predictor = TfidfPredictor(pipeline, MANIFEST.labels, 3)
    setattr(vectoriser, name, value)
    try:
        files = FAMILY.pack(predictor)
    finally:
        setattr(vectoriser, name, original)
    with pytest.raises(ArtifactError, match=f"model.skops: its vectoriser has {name}="):
        FAMILY.unpack(files, MANIFEST)


def test_weights_for_another_vocabulary_are_refused(pipeline):
    files = dict(FAMILY.pack(TfidfPredictor(pipeline, MANIFEST.labels, 3)))
    files["vocabulary.json"] = b'["film"]'
    with pytest.raises(ArtifactError, match="idf must be an array of floats of shape"):
        FAMILY.unpack(files, MANIFEST)


def test_a_model_of_other_labels_is_refused(pipeline):
    files = FAMILY.pack(TfidfPredictor(pipeline, MANIFEST.labels, 3))
    other = Manifest("tfidf_linear", ("a", "b", "c"), {}, 3, {}, {})
    with pytest.raises(ArtifactError, match="its classes are not the manifest's 3 labels"):
        FAMILY.unpack(files, other)


def test_a_weight_that_is_not_finite_is_refused(pipeline):
    broken = copy.deepcopy(pipeline)
    broken.named_steps["classifier"].coef_[0, 0] = np.nan
    with pytest.raises(ArtifactError, match="coef holds a value that is not finite"):
        FAMILY.unpack(FAMILY.pack(TfidfPredictor(broken, MANIFEST.labels, 3)), MANIFEST)


def test_another_classifier_in_its_place_is_refused(pipeline):
    swapped = Pipeline(
        [("vectoriser", pipeline.named_steps["vectoriser"]), ("classifier", Pipeline([]))]
    )
    files = FAMILY.pack(TfidfPredictor(swapped, MANIFEST.labels, 3))
    with pytest.raises(ArtifactError, match="its classifier is a Pipeline"):
        FAMILY.unpack(files, MANIFEST)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (b"[", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "must be a JSON array of texts"),
        (b"[1]", "must be a JSON array of texts"),
        (b'["film","film"]', "holds a term twice"),
    ],
)
def test_a_vocabulary_that_is_no_list_of_terms_is_refused(vocabulary, message, pipeline):
    files = dict(FAMILY.pack(TfidfPredictor(pipeline, MANIFEST.labels, 3)))
    files["vocabulary.json"] = vocabulary
    with pytest.raises(ArtifactError, match=f"vocabulary.json: {message}"):
        FAMILY.unpack(files, MANIFEST)
