"""Explanations measured: of a version that means them, of one that invents them, of one without."""

import itertools
import math
import random

import pytest

from lifecycle.explanations import ExplanationSample
from training_jobs.dataset.rows import Rows
from training_jobs.gate.explanations import delete, measure_explanations
from training_jobs.ports import Answer, Explained

WEIGHTS = {"wonderful": 2.0, "moving": 1.0, "dreadful": -2.0, "boring": -1.0}
FILLERS = [f"word{number}" for number in range(40)]
draw = random.Random(3)  # noqa: S311 - the same texts every time
TEXTS = tuple(
    " ".join(draw.sample([*draw.choices(list(WEIGHTS), k=3), *draw.sample(FILLERS, 12)], 15))
    for _ in range(200)
)
ROWS = Rows(TEXTS, (0,) * len(TEXTS), ("films",) * len(TEXTS))


def decision(text):
    return 0.1 + sum(WEIGHTS.get(word, 0) for word in text.split())


def answer(text):
    score = 1 / (1 + math.exp(-abs(decision(text))))
    sides = ("positive", "negative") if decision(text) > 0 else ("negative", "positive")
    return Answer(sides[0], dict(zip(sides, (score, 1 - score), strict=True)))


def explain(text):
    sign = 1 if decision(text) > 0 else -1
    added = {word: sign * WEIGHTS[word] * text.split().count(word) for word in WEIGHTS}
    ordered = sorted(added.items(), key=lambda part: -abs(part[1]))
    return Explained(answer(text).label, sign * 0.1, tuple(ordered), 0.0, (0.0,))


def invent(text):
    """Name words that the answer does not depend on, in parts that add up all the same."""
    chosen = random.Random(text).sample(text.split(), 3)  # noqa: S311 - no secret
    parts = tuple((word, abs(decision(text)) / 3) for word in chosen)
    return Explained(answer(text).label, 0.0, parts, 0.0, (0.0,))


def measured(fakes, explained, rows=ROWS):
    place = fakes.FakePlace(answer, explained)
    found = measure_explanations(place, ExplanationSample(200, 2), rows, lambda: 1.0)
    return {m.name: m.counts for m in found}


def test_an_explanation_that_is_meant_names_the_words_that_count(fakes):
    counts = measured(fakes, explain)

    assert counts["explanations"] == {"n": 200, "incomplete": 0, "differing": 0}
    deletions = counts["deletions"]
    assert deletions["wins"] > 0.9 * deletions["n"]
    assert deletions["named_drop"] > deletions["random_drop"] + 0.1


def test_an_invented_explanation_adds_up_but_its_words_do_not_count(fakes):
    counts = measured(fakes, invent)

    assert counts["explanations"]["incomplete"] == 0
    assert abs(counts["deletions"]["wins"] - counts["deletions"]["losses"]) < 40


def test_parts_that_are_not_the_score_are_counted(fakes):
    def half(text):
        whole = explain(text)
        return Explained(whole.label, whole.intercept, whole.features[1:], 0.0, whole.others)

    assert measured(fakes, half)["explanations"]["incomplete"] == 200


def test_an_explanation_that_changes_when_asked_again_is_counted(fakes):
    asked = itertools.count()

    def differs(text):
        whole, noise = explain(text), next(asked) * 1e-9
        return Explained(whole.label, whole.intercept, whole.features, noise, whole.others)

    assert measured(fakes, differs)["explanations"]["differing"] == 200


def test_a_version_that_explains_nothing_is_counted_as_such(fakes):
    counts = measured(fakes, None)

    assert counts["explanations"]["n"] == counts["deletions"]["n"] == 0


@pytest.mark.parametrize("explained", [explain, invent])
def test_the_same_version_is_measured_alike_twice(fakes, explained):
    assert measured(fakes, explained) == measured(fakes, explained)


def test_named_words_are_deleted_wherever_they_stand_and_as_many_others():
    why = Explained("positive", 0, (("not bad", 1.0), ("film", -1.0), ("good", 0.5)), 0, (0.0,))
    made = delete("Not bad, not at all: a good film, a good one.", why, 2)

    assert made.named == " ,  at all: a good film, a good one."
    assert len(made.random.split()) < len(made.text.split())


def test_nothing_is_deleted_where_no_feature_speaks_for_the_label():
    assert delete("a film", Explained("positive", 0, (("film", -1.0),), 0, (0.0,)), 5) is None
