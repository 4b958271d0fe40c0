from lifecycle.model_states import Waiver
from lifecycle.transitions import with_waivers
from lifecycle.verdicts import Outcome, Reason, conclude, verdict_from_dict

QUALITY_FAILS = Reason("quality", Outcome.FAIL, "too low")
LATENCY_UNKNOWN = Reason("latency", Outcome.INCONCLUSIVE, "not measured")
LATENCY_PASSES = Reason("latency", Outcome.PASS, "fast")
WAIVER = Waiver(
    gate="quality",
    move="REGISTERED->STAGING",
    reason="drill",
    by="ada",
    expires_at=100.0,
    evidence="sha256:" + "0" * 64,
)


def test_one_failure_fails_whatever_else_passed():
    assert conclude([LATENCY_PASSES, QUALITY_FAILS]).outcome is Outcome.FAIL


def test_one_unknown_holds_whatever_else_passed():
    assert conclude([LATENCY_PASSES, LATENCY_UNKNOWN]).outcome is Outcome.INCONCLUSIVE


def test_silence_is_inconclusive():
    assert conclude([]).outcome is Outcome.INCONCLUSIVE


def test_a_verdict_survives_the_wire():
    verdict = conclude([LATENCY_PASSES, QUALITY_FAILS])

    assert verdict_from_dict(verdict.to_dict()) == verdict


def test_a_waiver_stands_in_for_its_gate_and_leaves_the_outcome_readable():
    verdict = with_waivers(
        conclude([QUALITY_FAILS, LATENCY_PASSES]), (WAIVER,), "REGISTERED->STAGING", now=50.0
    )

    assert verdict.outcome is Outcome.PASS
    assert verdict.reasons[0].outcome is Outcome.FAIL
    assert verdict.reasons[0].waived


def test_an_expired_waiver_stands_in_for_nothing():
    verdict = with_waivers(conclude([QUALITY_FAILS]), (WAIVER,), "REGISTERED->STAGING", now=100.0)

    assert verdict.outcome is Outcome.FAIL


def test_a_waiver_counts_for_its_own_move_only():
    verdict = with_waivers(conclude([QUALITY_FAILS]), (WAIVER,), "SHADOW->CANARY", now=50.0)

    assert verdict.outcome is Outcome.FAIL


def test_no_waiver_reaches_production():
    move = "SHADOW->PRODUCTION"
    waiver = Waiver("quality", move, "please", "ada", 100.0, WAIVER.evidence)

    verdict = with_waivers(conclude([QUALITY_FAILS]), (waiver,), move, now=50.0)

    assert verdict.outcome is Outcome.FAIL


def test_when_every_gate_is_waived_the_move_is_let_through():
    verdict = with_waivers(conclude([QUALITY_FAILS]), (WAIVER,), "REGISTERED->STAGING", now=50.0)

    assert verdict.outcome is Outcome.PASS
