from dataclasses import dataclass, replace

import pytest

from lifecycle.evidence import EvidenceKind
from lifecycle.gates import Observation, compare, decide
from lifecycle.policies import AtLeast, AtMost, Gate, NonInferior, Rule
from lifecycle.verdicts import Outcome


@dataclass(frozen=True)
class Interval:
    lower: float
    upper: float
    n: int = 1000

    @property
    def point(self):
        return (self.lower + self.upper) / 2


FLOOR = Rule("macro_f1", "all", AtLeast(0.80))
DIFFERENCE = Rule("macro_f1_difference", "all", NonInferior(0.02))
SEEN = Observation(n=1000, seconds=60, has_baseline=True)


def a_gate(**changes):
    gate = Gate(
        name="quality",
        guards=frozenset({"REGISTERED->STAGING"}),
        evidence=EvidenceKind.OFFLINE,
        rules=(FLOOR,),
        alpha=0.05,
        min_n=0,
        min_duration_seconds=0,
        max_duration_seconds=None,
        slow_ms=150,
        load_per_second=20,
    )
    return replace(gate, **changes)


@pytest.mark.parametrize(
    ("limit", "interval", "outcome"),
    [
        pytest.param(AtLeast(0.8), Interval(0.80, 0.90), Outcome.PASS, id="all over the floor"),
        pytest.param(AtLeast(0.8), Interval(0.70, 0.79), Outcome.FAIL, id="all under the floor"),
        pytest.param(AtLeast(0.8), Interval(0.79, 0.81), Outcome.INCONCLUSIVE, id="astride"),
        pytest.param(AtMost(150), Interval(90, 150), Outcome.PASS, id="within the budget"),
        pytest.param(AtMost(150), Interval(151, 400), Outcome.FAIL, id="over the budget"),
        pytest.param(AtMost(150), Interval(90, 400), Outcome.INCONCLUSIVE, id="unsure of it"),
        pytest.param(NonInferior(0.02), Interval(-0.01, 0.01), Outcome.PASS, id="as good"),
        pytest.param(NonInferior(0.02), Interval(-0.05, -0.01), Outcome.FAIL, id="worse"),
        pytest.param(NonInferior(0.02), Interval(-0.03, 0.01), Outcome.INCONCLUSIVE, id="unclear"),
        pytest.param(NonInferior(0.02), Interval(-0.01, -0.001), Outcome.PASS, id="within margin"),
    ],
)
def test_an_interval_is_judged_by_the_side_of_the_limit_that_all_of_it_lies_on(
    limit, interval, outcome
):
    assert compare(interval, limit) is outcome


@pytest.mark.parametrize(
    ("optional", "outcome"), [(True, Outcome.PASS), (False, Outcome.INCONCLUSIVE)]
)
def test_a_version_that_explains_nothing_passes_where_the_policy_says_so(optional, outcome):
    rule = Rule("explanation_faithfulness", "all", AtLeast(0.5), optional=optional)
    silent = replace(SEEN, explains_nothing=True)
    verdict = decide(a_gate(rules=(rule,)), {rule: Interval(-1, 1, 0)}, silent)

    assert verdict.outcome is outcome
    assert "explains nothing" in verdict.reasons[0].text


def test_an_optional_rule_holds_for_a_version_that_explains_itself():
    rule = Rule("explanation_faithfulness", "all", AtLeast(0.5), optional=True)

    assert decide(a_gate(rules=(rule,)), {rule: Interval(0, 0.2)}, SEEN).outcome is Outcome.FAIL
    assert decide(a_gate(rules=(rule,)), {}, SEEN).outcome is Outcome.INCONCLUSIVE


def test_a_gate_without_evidence_is_inconclusive_and_says_what_to_produce():
    verdict = decide(a_gate(), {}, None)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "no offline evidence" in verdict.reasons[0].text


def test_a_rule_that_was_not_measured_is_inconclusive_and_named():
    verdict = decide(a_gate(), {}, SEEN)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "macro_f1 on slice all: not measured" in verdict.reasons[0].text


def test_a_first_release_has_nothing_to_be_compared_with():
    gate = a_gate(rules=(FLOOR, DIFFERENCE))

    verdict = decide(gate, {FLOOR: Interval(0.85, 0.9)}, replace(SEEN, has_baseline=False))

    assert verdict.outcome is Outcome.PASS
    assert "nothing in PRODUCTION" in verdict.reasons[1].text


def test_a_good_interval_does_not_pass_before_enough_was_seen():
    gate = a_gate(min_n=2000, min_duration_seconds=86400)

    verdict = decide(gate, {FLOOR: Interval(0.85, 0.9)}, SEEN)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert [r.text for r in verdict.reasons[1:]] == [
        "1,000 observations so far, 2,000 are needed",
        "60 s so far, 86400 are needed",
    ]


def test_a_failure_needs_no_minimum():
    gate = a_gate(min_n=2000)

    verdict = decide(gate, {FLOOR: Interval(0.1, 0.2)}, SEEN)

    assert verdict.outcome is Outcome.FAIL


def test_the_reason_holds_the_estimate_its_interval_the_size_and_the_limit():
    verdict = decide(a_gate(), {FLOOR: Interval(0.70, 0.78)}, SEEN)

    assert verdict.reasons[0].text == (
        "macro_f1 on slice all: 0.74 [0.7, 0.78] over 1,000, must be at least 0.8"
    )


def test_too_few_rows_settle_nothing_however_good_or_bad_they_look():
    rule = replace(FLOOR, slice="long", min_n=100)
    gate = a_gate(rules=(rule,))

    outcomes = [
        decide(gate, {rule: Interval(low, low, n=12)}, SEEN).reasons[0] for low in (0.1, 1.0)
    ]
    assert [reason.outcome for reason in outcomes] == [Outcome.INCONCLUSIVE] * 2
    assert "too little data, 12 of the 100 rows" in outcomes[0].text
