import numpy as np
import pytest
from safetensors.numpy import load, save

from textmodels.artifacts import ArtifactError
from textmodels.reference import Reference, build_reference
from textmodels.text_measures import measure_text


@pytest.fixture
def reference(fitted, unseen):
    return build_reference(fitted.predictor, *unseen)


def test_a_reference_holds_what_was_predicted_and_measured(reference, fitted, unseen):
    texts, labels = unseen
    predictions = fitted.predictor.predict(texts)
    measures = [measure_text(text) for text in texts]
    assert np.array_equal(reference.projection, predictions.projection)
    assert np.array_equal(reference.scores, predictions.scores)
    assert [fitted.labels[index] for index in reference.true_indices] == labels
    assert reference.words.tolist() == [measure.words for measure in measures]
    found = [reference.languages[index] for index in reference.language_index]
    assert found == [measure.language for measure in measures]


def test_many_texts_are_scored_in_batches_without_a_seam(fitted, unseen):
    texts, labels = unseen
    many = build_reference(fitted.predictor, texts * 20, labels * 20)
    assert many.scores.shape == (1_200, 2)
    assert np.allclose(many.scores[:60], many.scores[-60:], atol=1e-6)


def test_a_reference_of_no_texts_is_empty(fitted):
    empty = build_reference(fitted.predictor, [], [])
    assert empty.projection.shape == (0, 64)
    assert Reference.from_bytes(empty.to_bytes()).languages == ()


def test_what_is_saved_is_loaded(reference, tmp_path):
    reference.save(tmp_path / "reference.safetensors")
    found = Reference.load(tmp_path / "reference.safetensors")
    assert found.languages == reference.languages
    for name, values in vars(reference).items():
        assert np.array_equal(vars(found)[name], values), name
    assert found.to_bytes() == reference.to_bytes()


def test_the_file_holds_no_text(reference, unseen):
    raw = reference.to_bytes()
    assert not any(
        word.encode() in raw for text in unseen[0] for word in text.split() if len(word) > 4
    )


def test_a_label_the_model_does_not_know_is_named(fitted):
    with pytest.raises(ValueError, match="neutral"):
        build_reference(fitted.predictor, ["a film"], ["neutral"])
    with pytest.raises(ValueError, match="1 texts with 2 labels"):
        build_reference(fitted.predictor, ["a film"], ["positive", "negative"])


def test_a_file_that_is_no_reference_is_refused(reference):
    raw = reference.to_bytes()
    arrays = load(raw)
    broken = {
        "not a Reference": [b"", raw[:-1], save(arrays), save(arrays, {"languages": "und"})],
        "missing or unknown arrays: oov": [
            save({n: a for n, a in arrays.items() if n != "oov"}, {"languages": "[]"})
        ],
        "scores has the wrong type or shape": [
            save({**arrays, "scores": arrays["scores"][1:]}, {"languages": "[]"}),
            save({**arrays, "scores": arrays["scores"].astype(np.float64)}, {"languages": "[]"}),
        ],
    }
    for message, files in broken.items():
        for file in files:
            with pytest.raises(ArtifactError, match=message):
                Reference.from_bytes(file)
