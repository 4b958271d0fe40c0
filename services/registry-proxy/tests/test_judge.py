import pytest

from lifecycle.evidence import EvidenceKind
from lifecycle.policy_files import read_policy
from lifecycle.verdicts import Outcome
from registry_proxy.ledger.judge import NoEvidence, judge, judge_gate

NOW = 1_700_000_000.0
SUBJECTS = dict.fromkeys(("model", "dataset", "prompt", "policy", "image"), "none")
OTHERS = {
    "quality": ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"],
    "shadow": ["SHADOW->CANARY"],
    "canary": ["SHADOW->PRODUCTION"],
}


@pytest.fixture
def judged(make):
    """Judge one rule on some Measurements."""

    def decide(kind, rule, measurements, baseline="sha256:old", **gate):
        made = make.evidence(kind, "m", {**SUBJECTS, "baseline": baseline}, measurements, NOW)
        return judge_gate(a_gate(kind, rule, **gate), made)

    return decide


def a_gate(kind, rule, **fields):
    gates = [
        {
            "name": name,
            "guards": guards,
            "evidence": "offline",
            "rules": [{"measure": "accuracy", "at_least": 0.5}],
        }
        for name, guards in OTHERS.items()
    ]
    wanted = {"name": "gate", "guards": ["SHADOW->CANARY"], "evidence": kind, "rules": [rule]}
    gates.append({**wanted, "min_duration_seconds": 0, **fields})
    policy = {"kind": "GatePolicy", "name": "p", "version": "1", "evidence_max_age_hours": 1}
    return read_policy({**policy, "gates": gates}).gates[-1]


def test_macro_f1_passes_when_its_lower_bound_reaches_the_floor(judged, make):
    rule = {"measure": "macro_f1", "at_least": 0.8}

    assert judged("offline", rule, [make.cells(2500, 500)]).outcome is Outcome.PASS
    assert judged("offline", rule, [make.cells(2400, 600)]).outcome is Outcome.INCONCLUSIVE
    assert judged("offline", rule, [make.cells(2100, 900)]).outcome is Outcome.FAIL


def test_accuracy_is_judged_as_a_rate(judged, make):
    rule = {"measure": "accuracy", "at_least": 0.8}

    assert judged("offline", rule, [make.cells(2600, 400)]).outcome is Outcome.PASS
    assert judged("offline", rule, [make.cells(2100, 900)]).outcome is Outcome.FAIL


def test_a_difference_is_judged_on_the_same_rows(judged, make):
    rule = {"measure": "macro_f1_difference", "margin": 0.02}

    assert judged("offline", rule, [make.cells(2800, wins=100, losses=100)]).outcome is Outcome.PASS
    assert judged("offline", rule, [make.cells(2700, wins=20, losses=280)]).outcome is Outcome.FAIL


def test_a_difference_is_not_asked_for_where_there_is_no_baseline(judged, make):
    rule = {"measure": "macro_f1_difference", "margin": 0.02}
    alone = make.without_baseline(make.cells(1000))

    verdict = judged("offline", rule, [alone], baseline="none")

    assert verdict.outcome is Outcome.PASS
    assert "nothing in PRODUCTION" in verdict.reasons[0].text


def test_a_difference_that_was_not_measured_settles_nothing(judged, make):
    rule = {"measure": "macro_f1_difference", "margin": 0.02}

    verdict = judged("offline", rule, [make.without_baseline(make.cells(1000))])

    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "not measured" in verdict.reasons[0].text


def test_each_slice_is_judged_on_its_own_rows(judged, make):
    rule = {"measure": "macro_f1", "slice": "long", "at_least": 0.75}
    good, bad = make.cells(2800, 200), make.cells(600, 600, name="long")

    assert judged("offline", rule, [good, bad]).outcome is Outcome.FAIL
    assert judged("offline", rule, [good]).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("fast", "slow", "outcome"),
    [(1000, 0, "PASS"), (1000, 20, "PASS"), (1000, 200, "FAIL"), (50, 0, "INCONCLUSIVE")],
)
def test_latency_is_judged_by_the_quantiles_bounds(judged, make, fast, slow, outcome):
    rule = {"measure": "latency_ms_p95", "at_most": 150}

    assert judged("latency", rule, [make.latencies(fast, slow)]).outcome == outcome


@pytest.mark.parametrize(("bad", "outcome"), [(50, "PASS"), (145, "INCONCLUSIVE"), (300, "FAIL")])
def test_disagreement_is_judged_against_its_budget(judged, make, bad, outcome):
    rule = {"measure": "disagreement", "at_most": 0.15}

    assert judged("shadow", rule, [make.pairs(bad=bad)]).outcome == outcome


def test_coverage_passes_as_counted_and_fails_only_beyond_doubt(judged, make):
    rule = {"measure": "coverage", "at_least": 0.99}

    assert judged("shadow", rule, [make.pairs(missing=10)]).outcome is Outcome.PASS
    assert judged("shadow", rule, [make.pairs(missing=11)]).outcome is Outcome.INCONCLUSIVE
    assert judged("shadow", rule, [make.pairs(missing=60)]).outcome is Outcome.FAIL
    assert judged("shadow", rule, [make.pairs(n=0, bad=0)]).outcome is Outcome.INCONCLUSIVE


def test_labels_decide_who_is_right_more_often(judged, make):
    rule = {"measure": "accuracy_difference", "margin": 0.02}

    assert judged("shadow", rule, [make.pairs(), make.labelled()]).outcome is Outcome.PASS
    worse = make.labelled(wins=10, losses=200)
    assert judged("shadow", rule, [make.pairs(), worse]).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("measure", "measurement"), [("error_ratio", "errors"), ("slow_ratio", "over")]
)
def test_a_canary_is_judged_by_rates(judged, make, measure, measurement):
    rule = {"measure": measure, "at_most": 0.05}

    def outcome(bad):
        parts = {"errors": 0, "over": 0, measurement: bad}
        counted = [make.requests(errors=parts["errors"]), make.slow(over=parts["over"])]
        return judged("canary", rule, counted).outcome

    assert [outcome(bad) for bad in (0, 50, 200)] == ["PASS", "INCONCLUSIVE", "FAIL"]


def test_a_pass_waits_for_enough_observations(judged, make):
    rule = {"measure": "error_ratio", "at_most": 0.05}
    verdict = judged("canary", rule, [make.requests()], min_n=5000, min_duration_seconds=7200)

    assert verdict.outcome is Outcome.INCONCLUSIVE
    texts = [reason.text for reason in verdict.reasons]
    assert texts[1:] == [
        "1,000 observations so far, 5,000 are needed",
        "3600 s so far, 7200 are needed",
    ]


def test_without_the_leading_measurement_nothing_was_seen(judged, make):
    rule = {"measure": "accuracy_difference", "margin": 0.02}

    assert judged("shadow", rule, [make.labelled()], min_n=1).outcome is Outcome.INCONCLUSIVE


def test_the_same_evidence_gives_the_same_verdict_again(judged, make):
    rule = {"measure": "macro_f1_difference", "margin": 0.02}
    measured = [make.cells(2800, wins=100, losses=90)]

    assert judged("offline", rule, measured) == judged("offline", rule, measured)


def test_no_shadow_passes_under_the_least_coverage_whatever_its_policy_limits(judged, make):
    rule = {"measure": "disagreement", "at_most": 0.15}

    assert judged("shadow", rule, [make.pairs(bad=30, missing=10)]).outcome is Outcome.PASS
    assert judged("shadow", rule, [make.pairs(bad=30, missing=11)]).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("counted", "outcome"),
    [({}, "INCONCLUSIVE"), ({"mirrored": 1000}, "PASS")],
    ids=["unread", "read"],
)
def test_a_partial_mirror_passes_only_where_the_gateway_counted_it(judged, make, counted, outcome):
    rule = {"measure": "disagreement", "at_most": 0.15}
    pairs = make.pairs(bad=30)
    pairs["counts"] |= {"mirror_percent": 20, **counted}

    verdict = judged("shadow", rule, [pairs])

    assert verdict.outcome == outcome
    assert any("20 % of the requests" in reason.text for reason in verdict.reasons) == (not counted)


@pytest.mark.parametrize(
    ("differing", "bad", "outcome"),
    [(5, 30, "PASS"), (5, 400, "FAIL"), (250, 30, "INCONCLUSIVE"), (250, 400, "INCONCLUSIVE")],
)
def test_a_limit_under_the_noise_floor_decides_nothing(judged, make, differing, bad, outcome):
    rule = {"measure": "disagreement", "at_most": 0.15}
    counts = {"n": 1000, "differing": differing}
    noise = {"name": "noise", "slice": "all", "counts": counts}

    verdict = judged("shadow", rule, [make.pairs(bad=bad), noise])

    assert verdict.outcome == outcome
    assert any("noise floor" in r.text for r in verdict.reasons) == (outcome == "INCONCLUSIVE")


def test_evidence_that_does_not_count_says_why():
    gate = a_gate("shadow", {"measure": "coverage", "at_least": 0.995})
    found = {EvidenceKind.SHADOW: NoEvidence("shadow evidence has expired; measure again")}

    (reason,) = judge([gate], found).reasons

    assert (reason.outcome, reason.text) == (Outcome.INCONCLUSIVE, found["shadow"].why)
