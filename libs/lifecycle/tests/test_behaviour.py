import pytest

from lifecycle.behaviour import Case, Edited, read_behaviour
from lifecycle.documents import DocumentRefused, Fields


def read(**document):
    return read_behaviour(Fields(document, "policy.behaviour"))


def test_a_template_becomes_a_case_for_every_combination_of_its_words():
    behaviour = read(
        words={"thing": ["film", "plot"], "praise": ["fine", "moving"]},
        minimum_functionality=[
            {"name": "praise", "text": "A {praise} {thing}, a {thing}.", "label": "positive"}
        ],
    )

    assert len(behaviour.cases) == 4
    assert behaviour.cases[1] == Case("praise", "A fine plot, a plot.", "positive")


def test_each_kind_of_edit_takes_what_it_needs():
    behaviour = read(
        invariance=[
            {"name": "case", "edit": "drop_case"},
            {"name": "names", "edit": "replace", "words": {"John": "Maria"}},
        ],
        direction=[
            {
                "name": "hate",
                "edit": "append",
                "text": " I hated it.",
                "label": "positive",
                "change": "down",
            }
        ],
    )

    assert behaviour.invariance[1].edit == Edited("replace", words={"John": "Maria"})
    assert behaviour.direction[0].edit == Edited("append", text=" I hated it.")
    assert (behaviour.rows, behaviour.direction[0].tolerance) == (200, 0.01)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"invariance": [{"name": "x", "edit": "shout"}]}, "edit is 'shout'; it must be one of"),
        ({"invariance": [{"name": "x", "edit": "typo", "text": "y"}]}, "unknown field 'text'"),
        ({"words": {"a": []}}, "words.a is empty"),
        (
            {"minimum_functionality": [{"name": "x", "text": "{a}", "label": "y"}]},
            "has {a}; policy.behaviour.words has none",
        ),
        (
            {
                "words": {"a": [str(i) for i in range(100)], "b": [str(i) for i in range(100)]},
                "minimum_functionality": [{"name": "x", "text": "{a} {b}", "label": "y"}],
            },
            "makes 10,000 texts",
        ),
    ],
)
def test_a_test_that_cannot_be_asked_is_refused(document, complaint):
    with pytest.raises(DocumentRefused, match=complaint):
        read(**document)
