import pytest

from isogloss.demo.facts import offline_scores, rollbacks, rollout_ends


def an_entry(kind, **body):
    return {"kind": kind, "body": body}


def a_rollout(phase, candidate="sha256:bad", baseline="sha256:good"):
    return {"id": f"r-{candidate}", "candidate": candidate, "baseline": baseline, "phase": phase}


def a_load(**changes):
    last = {"last_answer_at": 100.25, "last_sent_at": 99.9}
    counts = {"started_at": 90, "written_at": 110, "failures": 7, "versions": {"sha256:bad": last}}
    return counts | changes


ROLLED_BACK = [
    an_entry("rollout", rollout=a_rollout("CANARY"), reason="shadow passed"),
    an_entry("transition", digest="sha256:bad", before="SHADOW", after="ARCHIVED"),
    an_entry(
        "rollback",
        rollout=a_rollout("ROLLED_BACK"),
        reason="too slow",
        facts={"decided_at": 100.0, "milliseconds": 40.0},
        marker={"automatic": True},
    ),
]


def test_a_rollback_is_timed_from_the_ledgers_decision_to_the_load_generators_last_answer():
    (fact,) = rollbacks(ROLLED_BACK, {"canary": a_load()})

    assert (fact.left, fact.to, fact.automatic) == ("sha256:bad", "sha256:good", True)
    assert fact.effective_milliseconds == 40.0
    assert fact.last_answer_milliseconds == pytest.approx(250.0)
    assert fact.last_sent_milliseconds == pytest.approx(-100.0)
    assert fact.failed_requests == 7


def test_a_late_answer_is_found_in_whichever_run_counted_it():
    later = {"last_answer_at": 130.0, "last_sent_at": 129.0}
    loads = {
        "canary": a_load(),
        "afterwards": a_load(
            started_at=120, written_at=140, failures=3, versions={"sha256:bad": later}
        ),
    }

    (fact,) = rollbacks(ROLLED_BACK, loads)

    assert fact.last_answer_milliseconds == pytest.approx(30_000)
    assert fact.failed_requests == 7


def test_a_version_that_answered_nobody_has_no_last_answer():
    (fact,) = rollbacks(ROLLED_BACK, {"canary": a_load(versions={})})

    assert fact.last_answer_milliseconds is None


def test_every_rollout_is_told_once_with_how_it_ended():
    again = an_entry(
        "rollback",
        rollout=a_rollout("ROLLED_BACK", baseline="sha256:older"),
        reason="by hand",
        facts={},
        marker=None,
    )
    stopped = an_entry("rollout", rollout=a_rollout("ABORTED", "sha256:flipped"), reason="wrong")

    ends = rollout_ends([stopped, *ROLLED_BACK, again])

    assert [(end.candidate, end.phase, end.reason) for end in ends] == [
        ("sha256:flipped", "ABORTED", "wrong"),
        ("sha256:bad", "ROLLED_BACK", "too slow"),
    ]


def test_a_versions_score_is_the_one_its_verdict_names():
    text = "macro_f1 on slice all: 0.9093 [0.9024, 0.9159] over 4,981, must be at least 0.8"
    verdict = {"reasons": [{"text": text}, {"text": "macro_f1 on slice long: 0.9"}]}
    moved = an_entry("transition", digest="sha256:good", after="STAGING", verdict=verdict)

    assert offline_scores([moved, *ROLLED_BACK]) == {
        "sha256:good": "0.9093 [0.9024, 0.9159] over 4,981"
    }
