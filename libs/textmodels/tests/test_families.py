import subprocess
import sys

import numpy as np
import pytest

from textmodels.families import FAMILIES, Start, fit_family, fit_from
from textmodels.predictions import PROJECTION_SIZE
from textmodels.verification import HOSTILE_TEXTS


def test_a_fitted_model_labels_texts_it_has_not_seen(fitted, unseen):
    texts, labels = unseen
    predictions = fitted.predictor.predict(texts)
    found = [fitted.labels[index] for index in predictions.label_indices]
    assert np.mean([one == other for one, other in zip(found, labels, strict=True)]) > 0.9


def test_predictions_have_the_promised_shapes_and_types(fitted, unseen):
    texts, _ = unseen
    predictions = fitted.predictor.predict(texts)
    assert predictions.label_indices.dtype == np.int64
    assert predictions.scores.dtype == np.float32
    assert predictions.scores.shape == (60, 2)
    assert predictions.tokens.dtype == np.int32
    assert predictions.out_of_vocabulary.dtype == np.float32
    assert predictions.truncated.dtype == np.bool_
    assert predictions.projection.dtype == np.float16
    assert predictions.projection.shape == (60, PROJECTION_SIZE)
    assert np.allclose(predictions.scores.sum(axis=1), 1, atol=1e-6)


def test_no_texts_give_no_predictions(fitted, unseen):
    nothing = fitted.predictor.predict([])
    something = fitted.predictor.predict(unseen[0])
    for column, values in vars(nothing).items():
        expected = vars(something)[column]
        assert (values.dtype, values.shape) == (expected.dtype, (0, *expected.shape[1:]))


def test_hostile_texts_are_scored_like_any_other(fitted):
    predictions = fitted.predictor.predict(HOSTILE_TEXTS)
    for values in vars(predictions).values():
        assert np.isfinite(values).all()


def test_a_text_without_tokens_has_no_unknown_share(fitted):
    predictions = fitted.predictor.predict(["", " \n"])
    assert predictions.tokens.tolist() == [0, 0]
    assert predictions.out_of_vocabulary.tolist() == [0, 0]


def test_the_unknown_share_counts_words_the_vocabulary_lacks(fitted):
    predictions = fitted.predictor.predict(["the film zyxw vutsr", "the film"])
    assert predictions.tokens.tolist() == [4, 2]
    assert predictions.out_of_vocabulary.tolist() == [0.5, 0]


def test_a_text_is_scored_alike_alone_and_among_others(fitted, unseen):
    texts, _ = unseen
    together = fitted.predictor.predict(texts).scores
    alone = np.vstack([fitted.predictor.predict([text]).scores for text in texts])
    assert np.allclose(together, alone, atol=1e-6)


def test_every_effective_parameter_is_named(fitted, small_params):
    assert fitted.params["seed"] == 3
    assert small_params[fitted.family].items() <= fitted.params.items()
    assert len(fitted.params) > len(small_params[fitted.family]) + 1


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_three_labels_are_told_apart_and_progress_is_reported(
    family, reviews, small_params, pretrained
):
    texts, labels = reviews(240, ("positive", "negative", "neutral"))
    lines = []
    start = Start(family, pretrained)
    fitted = fit_from(start, texts, labels, small_params[family], 3, lines.append)
    predictions = fitted.predictor.predict(texts)
    assert lines
    assert all(line.startswith(f"{family}: ") for line in lines)
    assert fitted.labels == ("negative", "neutral", "positive")
    assert predictions.scores.shape == (240, 3)
    found = [fitted.labels[index] for index in predictions.label_indices]
    assert np.mean([one == other for one, other in zip(found, labels, strict=True)]) > 0.9


def test_the_same_seed_gives_the_same_bytes(fitted, reviews, small_params, pretrained):
    texts, labels = reviews(300, ("negative", "positive"))
    params = small_params[fitted.family]
    again = fit_from(Start(fitted.family, pretrained), texts, labels, params, seed=3)
    family = FAMILIES[fitted.family]
    assert family.pack(again.predictor) == family.pack(fitted.predictor)


@pytest.mark.parametrize(
    ("family", "params", "message"),
    [
        ("tfidf_linear", {"ngrams": 2}, "no parameter 'ngrams'; it has C, analyzer"),
        ("tfidf_linear", {"C": "8"}, "C is '8', but must be a float"),
        ("tfidf_linear", {"sublinear_tf": 1}, "sublinear_tf is 1, but must be a bool"),
        ("tfidf_linear", {"analyzer": "wards"}, "analyzer"),
        ("tfidf_linear", {"C": -1.0}, "'C' parameter"),
        ("tfidf_linear", {"dtype": "float16"}, "dtype is 'float16'"),
        ("keras_embedding", {"epochs": 0}, "epochs is 0, but must be above 0"),
        ("keras_embedding", {"epochs": True}, "epochs is True, but must be a int"),
        ("keras_embedding", {"validation_share": 1.0}, "validation_share must be below 1"),
        ("keras", {}, "family 'keras' is not one of keras_embedding, tfidf_linear, transformer"),
        ("transformer_encoder", {"precision": "int4"}, "precision is 'int4', not float32 or int8"),
        ("transformer_encoder", {}, "the pretrained files are no BERT encoder's"),
    ],
)
def test_a_wrong_parameter_is_named(family, params, message, reviews):
    texts, labels = reviews(20, ("negative", "positive"))
    with pytest.raises(ValueError, match=message):
        fit_family(family, texts, labels, params, seed=1)


def test_texts_and_labels_must_match():
    with pytest.raises(ValueError, match="2 texts but 1 labels"):
        fit_family("tfidf_linear", ["one", "two"], ["a"], {}, seed=1)
    with pytest.raises(ValueError, match="at least two are needed"):
        fit_family("tfidf_linear", ["one", "two"], ["a", "a"], {}, seed=1)
    with pytest.raises(ValueError, match="seed -1"):
        fit_family("tfidf_linear", ["one", "two"], ["a", "b"], {}, seed=-1)


def test_naming_the_families_imports_no_engine():
    script = (
        "import sys, textmodels.artifacts, textmodels.families; engines = "
        "{'sklearn', 'skops', 'keras', 'tensorflow', 'onnx', 'onnxruntime', 'tokenizers'}; "
        "print(sorted(engines & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("family", "module", "engine"),
    [
        ("tfidf_linear", "sklearn", "scikit-learn"),
        ("keras_embedding", "keras", "tensorflow-cpu"),
        ("transformer_encoder", "onnx", "onnx"),
    ],
)
def test_a_family_whose_engine_is_not_installed_says_what_to_install(family, module, engine):
    script = (
        f"import sys; sys.modules[{module!r}] = None  # as if it were not installed\n"
        "from textmodels.families import EngineMissing, fit_family\n"
        "try:\n"
        f"    fit_family({family!r}, ['good', 'bad'], ['a', 'b'], {{}}, 1)\n"
        "except EngineMissing as missing:\n"
        "    print(missing.engine)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == engine
