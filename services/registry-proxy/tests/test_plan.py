"""What a Rollout's Gates will need, before it starts."""

import pytest

from lifecycle.policy_files import read_policy
from registry_proxy.ledger.plan import Chances, plan

OTHERS = ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"]


def forecasts(shadow, canary=({"measure": "error_ratio", "at_most": 0.05},)):
    gates = [
        {"name": "q", "guards": OTHERS, "evidence": "offline", "rules": [_rule("accuracy", 0.5)]},
        {"name": "s", "guards": ["SHADOW->CANARY"], "evidence": "shadow", "rules": shadow},
        {"name": "c", "guards": ["SHADOW->PRODUCTION"], "evidence": "canary", "rules": canary},
    ]
    policy = {"kind": "GatePolicy", "name": "p", "version": "1", "evidence_max_age_hours": 1}
    made = plan(read_policy({**policy, "gates": gates}), Chances(power=0.8, share=0.1))
    return {forecast.measure: forecast for forecast in made.forecasts}


def _rule(measure, limit, kind="at_least"):
    return {"measure": measure, kind: limit}


def test_a_tighter_limit_needs_more_rows():
    loose, tight = (
        forecasts([_rule("disagreement", limit, "at_most")])["disagreement"]
        for limit in (0.15, 0.02)
    )

    assert (loose.good, loose.bad, loose.unit) == (0.075, 0.3, "pairs")
    assert 100 < loose.pass_rows < tight.pass_rows < 10_000
    assert loose.fail_rows < tight.fail_rows


@pytest.mark.parametrize(
    "rule", [_rule("accuracy_difference", -0.02), _rule("accuracy_difference", 0.02, "margin")]
)
def test_a_difference_of_accuracies_is_told_in_labelled_pairs(rule):
    found = forecasts([rule, _rule("disagreement", 0.05, "at_most")])["accuracy_difference"]

    assert (found.unit, found.good, found.bad) == ("labelled pairs", 0.0, -0.04)
    assert 500 < found.pass_rows < 10_000
    assert found.fail_rows


@pytest.mark.parametrize("limit", [-1.0, -0.7, 0.7, 1.0])
def test_a_limit_that_hardly_anything_can_miss_or_meet_has_a_forecast_too(limit):
    shadow = [_rule("accuracy_difference", limit), _rule("error_difference", limit, "at_most")]
    canary = [_rule(name, limit, "at_most") for name in ("error_difference", "slow_difference")]

    told = [*forecasts(shadow).values(), *forecasts(shadow[:1], canary).values()]

    assert {each.measure for each in told} >= {"error_difference", "slow_difference"}
    assert all(each.good <= 1 for each in told if each.good is not None)


def test_a_canary_is_told_in_its_own_requests():
    canary = [_rule(name, 0.01, "at_most") for name in ("error_difference", "slow_difference")]
    found = forecasts([_rule("coverage", 0.99)], canary)

    assert {found[rule["measure"]].unit for rule in canary} == {"requests"}
    assert found["error_difference"].pass_rows < found["slow_difference"].pass_rows


def test_errors_of_a_shadow_and_latencies_are_forecast_too():
    rules = [
        _rule("error_difference", 0.01, "at_most"),
        _rule("live_latency_ms_p99", 90, "at_most"),
    ]
    found = forecasts(rules)

    assert found["error_difference"].pass_rows > found["error_difference"].fail_rows > 0
    assert found["live_latency_ms_p99"].pass_rows > 300
    assert found["coverage"].pass_rows is None


def test_the_plan_is_told_over_http(world):
    page = world.get(f"/v1/models/{world.model}/plan?power=0.9&share=0.5").json()

    assert [gate["name"] for gate in page["gates"]] == ["shadow", "canary"]
    assert page["rules"][0]["measure"] == "disagreement"
    assert page["rules"][0]["pass_rows"] > 0
    assert world.get(f"/v1/models/{world.model}/plan?share=1").status_code == 422
