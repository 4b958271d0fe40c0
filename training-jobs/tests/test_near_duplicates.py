import pytest

from training_jobs.dataset.near_duplicates import near_duplicates, resemblance, shingles

LONG = " ".join(f"word{i}" for i in range(60))


def test_a_text_is_cut_into_runs_of_five_words_in_lower_case():
    assert shingles("One, two three FOUR five six!") == [
        "one two three four five",
        "two three four five six",
    ]


@pytest.mark.parametrize("text", ["Too short", "", "!!!"])
def test_a_text_shorter_than_five_words_is_one_run(text):
    assert len(shingles(text)) == 1


def test_resemblance_is_the_share_of_common_runs():
    one, other = "a b c d e f g", "a b c d e f x"

    assert resemblance(one, other) == 2 / 4
    assert resemblance(LONG, LONG) == 1


def test_a_row_that_nearly_repeats_a_test_row_is_found():
    edited = LONG.replace("word59", "changed").upper()
    rows = ["something else entirely that is long enough", edited, LONG.replace("word30", "x")]

    assert near_duplicates(rows, [LONG], 0.8) == [1, 2]
    assert near_duplicates(rows, [LONG], 0.9) == [1]


def test_short_texts_are_near_duplicates_only_when_they_say_the_same():
    assert near_duplicates(["Great film!", "great films"], ["great film"], 0.8) == [0]


def test_the_limit_itself_counts():
    # 8 runs each, of which 8 of 10 are common.
    one = " ".join(f"w{i}" for i in range(13))
    other = " ".join(f"w{i}" for i in range(12)) + " z"

    assert resemblance(one, other) == pytest.approx(8 / 10)
    assert near_duplicates([other], [one], 0.8) == [0]
