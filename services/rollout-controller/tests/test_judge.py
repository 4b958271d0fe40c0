import pytest
from rollout_controller_fakes import MODEL, NEW, OLD, START, a_policy, a_rollout

from lifecycle.evidence import Subjects
from lifecycle.rollouts import Phase
from rollout_controller.judge import (
    canary_evidence,
    canary_gates,
    canary_measurements,
    judge_canary,
)
from rollout_controller.tallies import Counters, begin_tally

ADDRESS, OTHER = "10.0.0.1:8081", "10.0.0.2:8081"


def a_tally(requests, errors=0, over=0, seconds=10):
    first = begin_tally(a_rollout(), {}, START)
    counters = Counters(requests, errors, requests - errors, over)
    return first.counting({ADDRESS: counters}, START + seconds)


def judged(tally, policy=None, slow_ms=150):
    gates = canary_gates((policy or a_policy()).policy)
    return judge_canary(gates, canary_measurements(tally, slow_ms))


@pytest.mark.parametrize(
    ("tally", "outcome"),
    [
        (a_tally(0), "INCONCLUSIVE"),
        (a_tally(40), "INCONCLUSIVE"),
        (a_tally(2000, errors=2, over=10), "PASS"),
        (a_tally(2000, errors=2, over=10, seconds=3), "INCONCLUSIVE"),
        (a_tally(30, errors=20), "FAIL"),
        (a_tally(300, over=120), "FAIL"),
        (a_tally(2000, errors=40), "INCONCLUSIVE"),
    ],
    ids=["nothing", "few", "sound", "too soon", "errors at once", "slow", "at the limit"],
)
def test_a_candidate_is_judged_by_what_it_did_to_users(tally, outcome):
    assert judged(tally).outcome == outcome


def test_a_fail_names_the_measure_with_its_interval():
    (reason, *_) = judged(a_tally(30, errors=20)).reasons
    assert reason.text.startswith("error_ratio on slice all: 0.6667 [")


def test_slow_counted_at_another_latency_than_the_gates_never_passes():
    told = judged(a_tally(5000), slow_ms=200)

    assert told.outcome == "INCONCLUSIVE"
    assert any("counted over 200 ms" in reason.text for reason in told.reasons)


def test_a_policy_without_a_canary_gate_never_passes():
    assert judge_canary((), canary_measurements(a_tally(5000), 150)).outcome == "INCONCLUSIVE"


def test_evidence_states_counts_and_comes_back_as_it_was():
    tally = a_tally(100, errors=1, over=7)
    subjects = Subjects(NEW, OLD, "sha256:tests", "none", "sha256:policy", "none")
    evidence = canary_evidence(MODEL, tally, subjects, canary_measurements(tally, 150), 3600)

    assert evidence.measurement("requests").counts == {"n": 100, "errors": 1}
    assert evidence.measurement("slow").counts == {"n": 99, "over": 7, "limit_ms": 150}
    assert evidence.expires_at == evidence.produced_at + 3600 == START + 10 + 3600
    assert evidence.details == {"rollout": "r7", "phase": "CANARY", "step": 0}


def test_the_baseline_is_compared_from_its_second_reading_on():
    tally = begin_tally(a_rollout(), {}, START)
    for requests in (5000, 5900):
        tally = tally.counting_baseline({OTHER: Counters(requests, 9, requests - 9, 0)})
    tally = tally.counting({ADDRESS: Counters(100, 4, 96, 8)}, START + 10)

    counts = {m.name: m.counts for m in canary_measurements(tally, 150)}
    both = {"n": 100, "errors": 4, "baseline_n": 900, "baseline_errors": 0}
    assert counts["outcomes"] == both
    assert (counts["slow_pair"]["over"], counts["slow_pair"]["baseline_n"]) == (8, 900)


@pytest.mark.parametrize(
    ("readings", "total"),
    [
        ([(130, 1, 125, 4)], (30, 1, 26, 4)),
        ([(130, 1, 125, 4), (170, 1, 165, 4)], (70, 1, 66, 4)),
        ([(130, 1, 125, 4), (20, 0, 20, 1)], (50, 1, 46, 5)),
    ],
    ids=["one reading", "two", "the predictor was started again in between"],
)
def test_only_what_happened_since_the_step_began_counts(readings, total):
    tally = begin_tally(a_rollout(), {ADDRESS: Counters(100, 0, 99, 0)}, START)
    for reading in readings:
        tally = tally.counting({ADDRESS: Counters(*reading)}, START)

    assert tally.total == Counters(*total)


def test_pods_that_come_and_go_never_make_a_tally_fall():
    tally = begin_tally(a_rollout(), {ADDRESS: Counters(100, 9, 91, 0)}, START)
    both = {ADDRESS: Counters(130, 9, 121, 0), OTHER: Counters(20, 2, 18, 1)}
    for reading in (both, {OTHER: Counters(25, 2, 23, 1)}, {ADDRESS: Counters(7, 0, 7, 0)}):
        tally = tally.counting(reading, START)

    assert tally.total == Counters(30 + 20 + 5 + 7, 2, 30 + 18 + 5 + 7, 1)


@pytest.mark.parametrize("other", [a_rollout(step=1), a_rollout(Phase.BAKING), a_rollout(id="r8")])
def test_a_tally_is_of_one_step_of_one_rollout(other):
    tally = begin_tally(a_rollout(), {}, START)

    assert tally.belongs_to(a_rollout())
    assert not tally.belongs_to(other)
