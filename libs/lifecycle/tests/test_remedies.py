from dataclasses import dataclass

import pytest

from lifecycle.policies import AtLeast, AtMost, NonInferior, Rule
from lifecycle.remedies import remedy, rows_for_a_pass
from lifecycle.verdicts import Outcome


@dataclass(frozen=True)
class Interval:
    lower: float
    point: float
    upper: float
    n: int = 1000


FLOOR = Rule("macro_f1", "all", AtLeast(0.80))
BUDGET = Rule("disagreement", "all", AtMost(0.10))
MARGIN = Rule("macro_f1_difference", "all", NonInferior(0.02))


@pytest.mark.parametrize(
    ("rule", "bounds", "needed"),
    [
        pytest.param(FLOOR, Interval(0.78, 0.81, 0.84), 9000, id="three times as narrow"),
        pytest.param(FLOOR, Interval(0.76, 0.79, 0.82), None, id="under the floor"),
        pytest.param(BUDGET, Interval(0.05, 0.08, 0.12), 4000, id="half as wide"),
        pytest.param(MARGIN, Interval(-0.03, 0.0, 0.03), 2250, id="equal models"),
        pytest.param(BUDGET, Interval(0, 0.08, float("inf")), None, id="not bounded yet"),
    ],
)
def test_rows_are_forecast_by_the_square_of_what_is_missing(rule, bounds, needed):
    found = rows_for_a_pass(rule, bounds)

    assert found is None if needed is None else found == pytest.approx(needed, rel=0.01)


def test_a_slice_needs_at_least_what_the_policy_asks():
    rule = Rule("macro_f1", "long", AtLeast(0.5), min_n=100)

    assert rows_for_a_pass(rule, Interval(0.9, 0.9, 0.9, n=12)) == 100


def test_what_failed_needs_another_version_by_at_least_so_much():
    said = remedy(Outcome.FAIL, FLOOR, Interval(0.70, 0.72, 0.74))

    assert "better by at least 0.1," in said


def test_what_is_astride_needs_rows_unless_it_is_on_the_wrong_side():
    assert "about 9,000 rows" in remedy(Outcome.INCONCLUSIVE, FLOOR, Interval(0.78, 0.81, 0.84))
    wrong = remedy(Outcome.INCONCLUSIVE, FLOOR, Interval(0.76, 0.79, 0.82))
    assert "on the wrong side" in wrong


def test_what_passed_needs_nothing_and_what_was_not_measured_a_measurement():
    assert remedy(Outcome.PASS, FLOOR, Interval(0.9, 0.9, 0.9)) is None
    assert "measure it" in remedy(Outcome.INCONCLUSIVE, FLOOR, None)


def test_what_explains_nothing_needs_a_version_that_does():
    rule = Rule("explanation_faithfulness", "all", AtLeast(0.5))

    said = remedy(Outcome.INCONCLUSIVE, rule, Interval(-1, 0, 1, n=0))
    assert "only a version that explains itself" in said
    assert "about" in remedy(Outcome.INCONCLUSIVE, rule, Interval(0.4, 0.6, 0.8))
