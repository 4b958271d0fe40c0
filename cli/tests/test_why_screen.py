"""`isogloss models why`: one screen with numbers, what would change them, and what to type next."""

import pytest

FINDING = {
    "gate": "quality",
    "outcome": "INCONCLUSIVE",
    "text": "macro_f1 on slice all: 0.81 [0.78, 0.84] over 1,000, must be at least 0.8",
    "change": "about 9,000 rows, where 1,000 were seen, if the estimate stays",
    "rows_needed": 9000,
    "measure": "macro_f1",
    "slice": "all",
    "limit": {"at_least": 0.8},
    "n": 1000,
    "lower": 0.78,
    "point": 0.81,
    "upper": 0.84,
}
MISSING = {
    "gate": "speed",
    "outcome": "INCONCLUSIVE",
    "text": "no latency evidence for this version under this policy; produce it",
    "change": "new evidence with more observations can settle this",
    "rows_needed": None,
}
ANSWER = {
    "stage": "REGISTERED",
    "move": "REGISTERED->STAGING",
    "verdict": {"outcome": "INCONCLUSIVE", "reasons": []},
    "findings": [FINDING, MISSING],
    "next": "isogloss evaluate sentiment 2",
    "seq": 7,
}


@pytest.fixture
def why(run, served_home, server):
    def ask(answer):
        server.answers["GET", "/v1/models/sentiment/versions/2/why"] = (200, {}, answer)
        return run("--home", served_home.root, "models", "why", "sentiment", "2")

    return ask


def test_the_screen_has_numbers_limits_and_the_rows_that_are_needed(why):
    code, out, err = why(ANSWER)

    assert code == 1
    row = next(line for line in out.splitlines() if "macro_f1" in line)
    assert row.split() == [
        *("quality", "INCONCLUSIVE", "macro_f1", "all", "0.81", "[0.78,", "0.84]"),
        *(">=", "0.8", "1,000", "9,000"),
    ]
    assert "sentiment 2 is in REGISTERED. REGISTERED->STAGING: INCONCLUSIVE" in err


def test_what_would_change_it_and_what_to_type_next_stand_below(why):
    _, _, err = why(ANSWER)

    lines = err.splitlines()
    assert any("macro_f1 on slice all: about 9,000 rows" in line for line in lines)
    assert any("no latency evidence" in line for line in lines)
    assert lines[-1] == "next: isogloss evaluate sentiment 2"


def test_a_version_that_may_go_on_exits_with_0(why):
    passed = {**FINDING, "outcome": "PASS", "change": None}
    answer = {**ANSWER, "findings": [passed], "verdict": {"outcome": "PASS", "reasons": []}}

    code, _, err = why(answer)
    assert code == 0
    assert "PASS" in err
    assert "quality:" not in err


def test_what_is_in_production_goes_nowhere_further(why):
    answer = {**ANSWER, "stage": "PRODUCTION", "move": None, "findings": [], "next": None}

    assert "there is nothing further" in why(answer)[2]
