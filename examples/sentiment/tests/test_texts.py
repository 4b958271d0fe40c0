"""What this project relies on before and after its models: tokens, Slices, labels."""

import pytest

from textmodels.families import fit_family
from textmodels.slices import length_slice
from textmodels.text_measures import measure_text

TEXTS = ["a wonderful, moving film", "a dreadful, boring film"] * 20
LABELS = ["positive", "negative"] * 20


@pytest.fixture(scope="module")
def predictor():
    params = {"ngram_range": [1, 2], "min_df": 1}
    return fit_family("tfidf_linear", TEXTS, LABELS, params, 42, lambda _text: None).predictor


def answers(predictor, *texts):
    return [predictor.labels[i] for i in predictor.predict(list(texts)).label_indices.tolist()]


def test_case_and_punctuation_are_no_part_of_a_token(predictor):
    scores = predictor.predict(["Wonderful film!", "wonderful film"]).scores

    assert scores[0].tolist() == scores[1].tolist()


def test_words_that_were_never_seen_are_counted_and_change_nothing(predictor):
    known, unknown = (predictor.predict([text]) for text in ("wonderful", "wonderful zzyzx"))

    assert unknown.out_of_vocabulary[0] > known.out_of_vocabulary[0] == 0


def test_an_answer_is_a_label_of_the_data_set_and_scores_add_up(predictor):
    made = predictor.predict(["wonderful", "dreadful", ""])

    assert set(predictor.labels) == {"positive", "negative"}
    assert made.scores.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert answers(predictor, "wonderful", "dreadful") == ["positive", "negative"]


@pytest.mark.parametrize(("words", "name"), [(128, "short"), (129, "medium"), (301, "long")])
def test_length_is_sliced_as_dataset_yaml_says(words, name):
    assert length_slice(measure_text("word " * words).words) == name
