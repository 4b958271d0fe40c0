"""Verdicts of a Rollout judged again from the stored Evidence."""

import pytest

FAILED = {"outcome": "FAIL", "reasons": [{"gate": "canary", "outcome": "FAIL", "text": "x"}]}


@pytest.fixture
def steps(world):
    def ask(rollout=None):
        asked = f"?rollout={rollout}" if rollout else ""
        answer = world.get(f"/v1/models/{world.model}/replay{asked}")
        assert answer.status_code == 200, answer.text
        return answer.json()["steps"]

    return ask


def roll_back(world, to, verdict, evidence=None):
    marker = {
        "rollout": world.state["rollout"]["id"],
        "ledger_seq": world.seq,
        "reason": "errors",
        "to": to,
        "to_colour": "blue",
        "written_at": world.clock.now,
        "automatic": True,
    }
    body = {"phase": "ROLLED_BACK", "reason": "errors", "marker": marker, "verdict": verdict}
    return world.rollout("end", {**body, "evidence": evidence})


def test_every_step_of_a_rollout_gives_the_same_bytes_again(world, steps):
    world.released("r1")
    assert [step["move"] for step in steps()] == ["STAGING->PRODUCTION"]
    second = world.in_canary("r2")
    world.clock.now += 60
    world.advance("CANARY", 1, world.canary_evidence(second))
    world.clock.now += 60
    world.advance("BAKING", evidence=world.canary_evidence(second))
    world.advance("SUCCEEDED")

    told = steps()
    assert [step["move"] for step in told] == ["SHADOW->CANARY", *["SHADOW->PRODUCTION"] * 2]
    assert {step["outcome"] for step in told} == {"PASS"}
    assert all(step["recorded"] == step["again"] for step in told)
    assert not any(step["problem"] for step in told)


def test_a_fail_is_judged_again_under_the_policy_of_its_time(world, steps):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)
    world.advance("SHADOWING")
    world.clock.now += 60
    world.advance("CANARY", 0, world.shadow_evidence(second, bad=900))
    world.clock.now += 1
    world.put_policy(version="2.0.0", evidence_max_age_hours=1)

    (step,) = steps()
    assert (step["outcome"], step["problem"]) == ("FAIL", None)


def test_a_waiver_of_the_time_counts_again(world, steps):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)
    world.advance("SHADOWING")
    waiver = {"digest": second, "gate": "shadow", "move": "SHADOW->CANARY", "reason": "a drill"}
    assert world.post("/waivers", {**waiver, "expires_at": world.clock.now + 600}).is_success
    world.clock.now += 60
    answer = world.advance("CANARY", 0, world.shadow_evidence(second, bad=900)).json()
    assert answer["advanced"]

    (step,) = steps()
    assert (step["outcome"], step["problem"]) == ("PASS", None)


def test_a_rollback_rests_on_what_its_evidence_says(world, steps):
    first = world.released("r1")
    second = world.in_canary("r2")
    world.clock.now += 60
    roll_back(world, first, FAILED, world.canary_evidence(second, errors=400))

    rolled_back = steps()[-1]
    assert rolled_back["move"] == "health"
    assert rolled_back["again"] != rolled_back["recorded"]
    assert rolled_back["problem"] == "judged again it says something else"


def test_a_verdict_without_evidence_cannot_be_judged_again(world, steps):
    first = world.released("r1")
    world.in_canary("r2")
    roll_back(world, first, FAILED)

    assert "names no evidence" in steps()[-1]["problem"]


def test_earlier_rollouts_are_found_by_their_id(world, steps):
    world.released("r1")
    first = world.state["rollout"]["id"]
    world.in_canary("r2")

    assert [step["move"] for step in steps(first)] == ["STAGING->PRODUCTION"]
    assert world.get(f"/v1/models/{world.model}/replay?rollout=other").status_code == 404
