"""The policy's behavioural tests, asked of somebody who knows and of somebody who does not."""

import pytest

from lifecycle.behaviour import Edited, read_behaviour
from lifecycle.documents import Fields
from training_jobs.dataset.rows import Rows
from training_jobs.gate.behaviour import measure_behaviour
from training_jobs.gate.edits import edit_text
from training_jobs.refusals import JobRefused

LABELS = ("negative", "positive")
TEXTS = ("A Wonderful film.", "Such a Dreadful bore!", "It was Wonderful.")
ROWS = Rows(TEXTS, (1, 0, 1), ("films",) * 3)
TESTS = {
    "words": {"thing": ["film", "plot"]},
    "minimum_functionality": [
        {"name": "praise", "text": "a wonderful {thing}", "label": "positive"},
        {"name": "blame", "text": "a dreadful {thing}", "label": "negative"},
    ],
    "invariance": [
        {"name": "case", "edit": "drop_case"},
        {"name": "end", "edit": "drop_punctuation"},
    ],
    "direction": [
        {
            "name": "insult",
            "edit": "append",
            "text": " It is dreadful.",
            "label": "positive",
            "change": "down",
        }
    ],
}


def behaviour(**changes):
    return read_behaviour(Fields({**TESTS, **changes}, "policy.behaviour"))


def measured(fakes, answer, **changes):
    place = fakes.FakePlace(answer)
    found = measure_behaviour(place, behaviour(**changes), ROWS, LABELS, lambda: 1.0)
    return {(m.name, m.slice): m.counts for m in found}


def knows(text):
    return "negative" if "dreadful" in text.lower() else "positive"


def knows_capitals_only(text):
    return "positive" if "Wonderful" in text else "negative"


def test_who_knows_fails_nothing(fakes):
    counts = measured(fakes, knows)

    assert counts["minimum_functionality", "all"] == {"n": 4, "failed": 0}
    assert counts["invariance", "all"] == {"n": 6, "failed": 0}
    assert counts["direction", "all"] == {"n": 3, "failed": 0}


def test_each_test_is_a_slice_of_its_kind(fakes):
    counts = measured(fakes, knows_capitals_only)

    assert counts["invariance", "case"] == {"n": 3, "failed": 2}
    assert counts["invariance", "end"] == {"n": 3, "failed": 0}
    assert counts["minimum_functionality", "praise"] == {"n": 2, "failed": 2}


def test_a_score_that_moves_against_the_direction_fails(fakes):
    counts = measured(fakes, lambda text: "positive" if "dreadful" in text else "negative")

    assert counts["direction", "insult"] == {"n": 3, "failed": 3}


def test_an_edit_that_changes_nothing_is_not_counted(fakes):
    tests = [{"name": "names", "edit": "replace", "words": {"film": "movie"}}]

    assert measured(fakes, knows, invariance=tests)["invariance", "names"]["n"] == 1


def test_a_label_that_the_data_set_does_not_have_is_refused(fakes):
    wrong = [{"name": "x", "text": "fine", "label": "neutral"}]

    with pytest.raises(JobRefused, match="about label 'neutral'"):
        measured(fakes, knows, minimum_functionality=wrong)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (Edited("append", text="!"), "It was Fine.!"),
        (Edited("prepend", text="Well. "), "Well. It was Fine."),
        (Edited("drop_case"), "it was fine."),
        (Edited("drop_punctuation"), "It was Fine"),
        (Edited("replace", words={"was": "is", "in": "out"}), "It is Fine."),
        (Edited("typo"), "It was Fine."),
    ],
)
def test_texts_are_edited_as_the_test_says(edit, expected):
    assert edit_text("It was Fine.", edit) == expected


def test_a_typo_swaps_two_letters_inside_a_word_and_always_the_same_ones():
    once, again = (edit_text("A wonderful thing", Edited("typo")) for _ in range(2))

    assert once == again != "A wonderful thing"
    assert sorted(once) == sorted("A wonderful thing")
