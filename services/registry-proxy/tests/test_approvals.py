"""Approvals: who may give one, what it is for, and that a move waits for it."""

import pytest

MOVE = "SHADOW->CANARY"
TO_STAGING = "REGISTERED->STAGING"


@pytest.fixture
def asking(empty_world):
    """A registry whose policy wants two approvals into STAGING and two before users are sent."""
    world = empty_world
    rules = [{"move": TO_STAGING, "count": 2}, {"move": MOVE, "count": 2}]
    assert world.put_policy(approvals=rules).status_code == 200
    world.add_caller("ada", "approver")
    world.add_caller("bob", "approver")
    return world


def approve(world, digest, by, move=TO_STAGING):
    body = {"digest": digest, "move": move, "reason": "read the report"}
    return world.post("/approvals", body, by)


def measured(world, make):
    digest = world.register()
    cells = make.without_baseline(make.cells(right=2800, wrong_by_both=100, wins=100))
    world.submit("offline", digest, [cells])
    world.submit("latency", digest, [make.latencies()])
    return digest


def reason_of(answer):
    (reason,) = [r for r in answer.json()["verdict"]["reasons"] if r["gate"] == "approvals"]
    return reason


def test_a_move_waits_for_as_many_people_as_the_policy_asks(asking, make):
    digest = measured(asking, make)

    assert reason_of(asking.transition(digest))["text"].startswith("0 of 2 approvals")
    assert approve(asking, digest, "ada").json()["approvers"] == ["ada"]
    answer = asking.transition(digest)
    assert answer.status_code == 409
    assert reason_of(answer)["outcome"] == "INCONCLUSIVE"
    assert "isogloss models approve" in reason_of(answer)["text"]
    assert approve(asking, digest, "bob").json()["needed"] == 2
    assert asking.transition(digest).status_code == 200


def test_one_person_counts_once(asking, make):
    digest = measured(asking, make)
    approve(asking, digest, "ada")
    seq = asking.seq

    assert approve(asking, digest, "ada").json() == {"approvers": ["ada"], "needed": 2, "seq": seq}


@pytest.mark.parametrize("made", ["registered it", "made its run"])
def test_who_made_a_version_cannot_approve_it(asking, make, made):
    asking.add_caller("cleo", "approver", "trainer")
    author = {"isogloss.author": "cleo"} if made == "made its run" else {}
    run = make.a_run("r1", tags={**make.a_run("r1").tags, **author})
    asking.runs.add(run, "model", make.an_artifact("r1"))
    body = {"run_id": "r1", "artifact_path": "model"}
    by = "cleo" if made == "registered it" else "trainer"
    digest = asking.post("/versions", body, by).json()["version"]["digest"]

    answer = approve(asking, digest, "cleo")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:isogloss:problem:approval-refused"
    assert "somebody else must approve" in answer.json()["detail"]
    (denied,) = asking.history("denied")
    assert denied["actor"] == "cleo"


@pytest.mark.parametrize("role", ["trainer", "gate", "predictor", "rollout-controller"])
def test_only_approvers_and_operators_may_approve(asking, role):
    digest = asking.register()

    assert approve(asking, digest, role).status_code == 403
    assert approve(asking, digest, None).status_code == 401


def test_an_approval_that_nobody_asked_for_is_refused(asking):
    digest = asking.register()

    assert "asks for no approval" in approve(asking, digest, "ada", "SHADOW->PRODUCTION").text
    assert "approved once it can be made" in approve(asking, digest, "ada", MOVE).text


def test_another_policy_makes_approvals_lapse(asking, make):
    digest = measured(asking, make)
    approve(asking, digest, "ada")
    asking.put_policy(approvals=[{"move": TO_STAGING, "count": 2}], version="1.0.1")

    assert approve(asking, digest, "bob").json()["approvers"] == ["bob"]


def test_a_move_makes_approvals_lapse(asking, make):
    digest = measured(asking, make)
    approve(asking, digest, "ada")
    approve(asking, digest, "bob")
    asking.transition(digest)

    assert asking.version(1)["approvals"] == []


def test_no_waiver_stands_in_for_people(asking, make):
    digest = measured(asking, make)
    expires = asking.clock() + 60
    waiver = {"digest": digest, "gate": "approvals", "move": TO_STAGING, "reason": "x"}

    assert asking.post("/waivers", {**waiver, "expires_at": expires}).status_code == 422


def test_users_are_not_sent_to_a_candidate_before_people_approved(asking, make):
    first = measured(asking, make)
    for person in ("ada", "bob"):
        approve(asking, first, person)
    assert asking.transition(first).status_code == 200
    asking.start_rollout(first)
    assert asking.advance("SUCCEEDED").json()["advanced"]
    second = asking.register("r2")
    asking.submit("offline", second, [make.cells(right=2800, wrong_by_both=100, wins=100)])
    asking.submit("latency", second, [make.latencies()])
    for person in ("ada", "bob"):
        approve(asking, second, person)
    assert asking.transition(second).status_code == 200
    asking.start_rollout(second)
    assert asking.advance("SHADOWING").json()["advanced"]
    asking.clock.now += 60
    shadow = asking.shadow_evidence(second)

    waiting = asking.advance("CANARY", 0, shadow).json()
    assert not waiting["advanced"]
    assert waiting["verdict"]["outcome"] == "INCONCLUSIVE"
    for person in ("ada", "bob"):
        assert approve(asking, second, person, MOVE).status_code == 200
    assert asking.advance("CANARY", 0, shadow).json()["advanced"]


@pytest.mark.parametrize(
    "rules",
    [
        [{"move": "STAGING->SHADOW", "count": 1}],
        [{"move": MOVE, "count": 0}],
        [{"move": MOVE}],
        [{"move": MOVE, "count": 1, "who": "ada"}],
        [{"move": MOVE, "count": 1}, {"move": MOVE, "count": 2}],
        {"move": MOVE, "count": 1},
    ],
)
def test_a_policy_with_approvals_that_cannot_be_is_refused(empty_world, rules):
    assert empty_world.put_policy(approvals=rules).status_code == 422
