import pytest


@pytest.fixture
def marker(world):
    """A marker as the rollout-controller writes it into the route."""

    def write(to, colour="blue", **changes):
        fields = {
            "rollout": world.state["rollout"]["id"],
            "ledger_seq": world.seq,
            "reason": "too slow",
            "to": to,
            "to_colour": colour,
            "written_at": world.clock.now,
            "automatic": True,
        }
        return {**fields, **changes}

    return write


def end(world, phase, **members):
    return world.rollout("end", {"phase": phase, "reason": "because", **members})


def test_a_first_release_goes_to_production_on_its_floors(world):
    digest = world.staged()

    started = world.start_rollout(digest)

    assert started.status_code == 201
    rollout = started.json()["rollout"]
    assert (rollout["phase"], rollout["baseline"]) == ("PENDING", None)
    assert rollout["candidate_colour"] == "blue"
    assert world.stages() == ["STAGING"]

    answer = world.advance("SUCCEEDED").json()

    assert answer["advanced"]
    assert answer["rollout"]["phase"] == "SUCCEEDED"
    assert world.stages() == ["PRODUCTION"]
    assert world.state["productions"] == [digest]
    assert [e["kind"] for e in world.history()][-3:] == ["transition", "release", "rollout"]


def test_a_first_release_cannot_rest_on_a_waiver(world, make):
    digest = world.register()
    world.submit("latency", digest, [make.latencies()])
    for move in ("REGISTERED->STAGING",):
        body = {"digest": digest, "gate": "quality", "move": move, "reason": "a drill"}
        world.post("/waivers", {**body, "expires_at": world.clock.now + 3600})
    assert world.transition(digest).status_code == 200
    world.start_rollout(digest)

    answer = world.advance("SUCCEEDED").json()

    assert not answer["advanced"]
    assert answer["verdict"]["outcome"] == "INCONCLUSIVE"


def test_with_a_production_the_candidate_becomes_shadow_in_the_other_colour(world):
    first = world.released("r1")
    second = world.staged("r2")

    rollout = world.start_rollout(second).json()["rollout"]

    assert rollout["baseline"] == first
    assert rollout["candidate_colour"] == "green"
    assert world.stages() == ["PRODUCTION", "SHADOW"]


def test_a_rollout_all_the_way(world):
    first = world.released("r1")
    second = world.in_canary("r2")
    assert world.stages() == ["PRODUCTION", "SHADOW"]
    world.clock.now += 60

    step = world.advance("CANARY", 1, world.canary_evidence(second)).json()
    assert step["advanced"]
    assert step["rollout"]["step"] == 1
    world.clock.now += 60
    baking = world.advance("BAKING", evidence=world.canary_evidence(second)).json()
    assert baking["rollout"]["phase"] == "BAKING"
    assert world.stages() == ["ARCHIVED", "PRODUCTION"]
    assert world.advance("SUCCEEDED").json()["rollout"]["phase"] == "SUCCEEDED"

    assert world.state["productions"] == [first, second]
    assert len(world.history("release")) == 2
    third = world.staged("r3")
    assert world.start_rollout(third).json()["rollout"]["candidate_colour"] == "blue"


def test_one_page_of_the_ledger_holds_all_of_a_step(world):
    world.released("r1")
    second = world.in_canary("r2")
    world.clock.now += 60
    before = world.seq

    world.advance("BAKING", evidence=world.canary_evidence(second))

    page = [entry for entry in world.history() if entry["seq"] > before]
    assert [e["kind"] for e in page] == ["evidence", "transition", "transition", "rollout"]
    assert [e["body"].get("after") for e in page[1:3]] == ["ARCHIVED", "PRODUCTION"]
    assert len({entry["time"] for entry in page}) == 1


def test_a_canary_step_needs_evidence_of_its_own(world):
    world.released("r1")
    second = world.in_canary("r2")
    world.clock.now += 60
    evidence = world.canary_evidence(second)
    assert world.advance("CANARY", 1, evidence).json()["advanced"]

    without = world.advance("BAKING").json()
    again = world.advance("BAKING", evidence=evidence)

    assert not without["advanced"]
    assert "from before this step" in without["verdict"]["reasons"][0]["text"]
    assert again.status_code == 422


def test_an_inconclusive_step_leaves_no_trace(world):
    world.released("r1")
    second = world.in_canary("r2")
    world.clock.now += 60
    before = world.seq

    answer = world.advance("CANARY", 1, world.canary_evidence(second, n=1000, errors=45)).json()

    assert not answer["advanced"]
    assert answer["verdict"]["outcome"] == "INCONCLUSIVE"
    assert answer["rollout"]["step"] == 0
    assert answer["seq"] == before == world.seq


@pytest.mark.parametrize(("bad", "told"), [(50, "PASS"), (900, "FAIL"), (150, "INCONCLUSIVE")])
def test_a_step_that_is_only_judged_is_not_taken(world, bad, told):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)
    world.advance("SHADOWING")
    world.clock.now += 60
    before = world.seq
    evidence = world.shadow_evidence(second, bad=bad)
    body = {"phase": "CANARY", "step": 0, "evidence": evidence, "judge_only": True}
    answer = world.rollout("advance", {**body, "expected_seq": before}).json()

    assert (answer["advanced"], answer["verdict"]["outcome"]) == (False, told)
    assert world.state["rollout"]["phase"] == "SHADOWING"
    assert bool(world.history("denied")) is (told == "FAIL")
    assert (world.seq > before) is (told == "FAIL")


def test_a_failed_step_is_recorded_with_its_evidence(world):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)
    world.advance("SHADOWING")
    world.clock.now += 60

    answer = world.advance("CANARY", 0, world.shadow_evidence(second, bad=900)).json()

    assert not answer["advanced"]
    assert answer["verdict"]["outcome"] == "FAIL"
    denied = world.history("denied")[-1]
    assert denied["body"]["verdict"] == answer["verdict"]
    assert denied["body"]["evidence"] == list(world.version(2)["evidence"]["shadow"])
    assert world.state["rollout"]["phase"] == "SHADOWING"


def test_a_shadow_fail_ends_aborted_and_archives_the_candidate(world):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)
    world.advance("SHADOWING")

    answer = end(world, "ABORTED", facts={"pairs": 900})

    assert answer.json()["rollout"]["phase"] == "ABORTED"
    assert world.stages() == ["PRODUCTION", "ARCHIVED"]
    assert world.history("rollout")[-1]["body"]["facts"] == {"pairs": 900}
    assert end(world, "ABORTED").json() == answer.json()


@pytest.mark.parametrize(
    ("phase", "step"),
    [("CANARY", 0), ("BAKING", -1), ("SUCCEEDED", -1), ("PENDING", -1), ("ROLLED_BACK", -1)],
)
def test_steps_are_taken_in_order(world, phase, step):
    world.released("r1")
    world.start_rollout(world.staged("r2"))

    answer = world.advance(phase, step)

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:isogloss:problem:illegal-transition"


def test_only_one_rollout_at_a_time(world):
    world.released("r1")
    second, third = world.staged("r2"), world.staged("r3")
    world.start_rollout(second)

    answer = world.start_rollout(third)

    assert answer.status_code == 409
    assert "end it first" in answer.json()["detail"]
    assert world.stages() == ["PRODUCTION", "SHADOW", "STAGING"]


def test_only_a_version_in_staging_is_rolled_out(world):
    answer = world.start_rollout(world.register())

    assert "promote it first" in answer.json()["detail"]


def test_a_paused_rollout_takes_no_step(world):
    world.released("r1")
    world.start_rollout(world.staged("r2"))
    paused = world.rollout("pause", {"reason": "holidays", "expected_seq": world.seq})
    assert paused.json()["rollout"]["paused"] == "holidays"

    assert "holidays" in world.advance("SHADOWING").json()["detail"]

    again = world.rollout("pause", {"reason": "holidays", "expected_seq": world.seq})
    assert again.json()["seq"] == world.seq
    world.rollout("resume", {"reason": "back", "expected_seq": world.seq})
    assert world.advance("SHADOWING").json()["advanced"]


def test_a_rollback_from_the_canary_keeps_the_baseline(world, marker):
    first = world.released("r1")
    second = world.in_canary("r2")
    verdict = {"outcome": "FAIL", "reasons": [{"gate": "canary", "outcome": "FAIL", "text": "x"}]}
    world.clock.now += 60
    evidence = world.canary_evidence(second, errors=400)

    answer = end(
        world, "ROLLED_BACK", marker=marker(first), verdict=verdict, evidence=evidence
    ).json()

    assert answer["rollout"]["phase"] == "ROLLED_BACK"
    assert world.stages() == ["PRODUCTION", "ARCHIVED"]
    entry = world.history("rollback")[-1]
    assert entry["body"]["verdict"]["reasons"][0]["text"] == "x"
    assert entry["body"]["evidence"] == list(world.version(2)["evidence"]["canary"])
    assert entry["body"]["marker"]["to"] == first


@pytest.mark.parametrize("then", ["BAKING", "SUCCEEDED"])
def test_a_rollback_after_the_promotion_gives_production_back(world, marker, then):
    first = world.released("r1")
    world.in_production("r2")
    if then == "SUCCEEDED":
        world.advance("SUCCEEDED")

    answer = end(world, "ROLLED_BACK", marker=marker(first, "blue")).json()

    rollout = answer["rollout"]
    assert (rollout["baseline"], rollout["candidate_colour"]) == (first, "green")
    assert world.stages() == ["PRODUCTION", "ARCHIVED"]
    assert world.state["productions"][-1] == first


def test_a_rollback_told_twice_is_recorded_once(world, marker):
    first = world.released("r1")
    world.in_production("r2")
    written = marker(first)
    answer = end(world, "ROLLED_BACK", marker=written).json()
    world.clock.now += 5

    assert end(world, "ROLLED_BACK", marker=written).json() == answer
    assert len(world.history("rollback")) == 1


def test_any_earlier_production_can_be_gone_back_to(world, marker):
    first = world.released("r1")
    world.in_production("r2")
    world.advance("SUCCEEDED")
    third = world.in_production("r3")

    rollout = end(world, "ROLLED_BACK", marker=marker(first, "green")).json()["rollout"]

    assert (rollout["baseline"], rollout["candidate"]) == (first, third)
    assert rollout["candidate_colour"] == "blue"
    assert world.stages() == ["PRODUCTION", "ARCHIVED", "ARCHIVED"]


def test_going_further_back_after_a_rollback(world, marker):
    first = world.released("r1")
    second = world.in_production("r2")
    world.advance("SUCCEEDED")
    world.in_canary("r3")
    end(world, "ROLLED_BACK", marker=marker(second, "green"))

    end(world, "ROLLED_BACK", marker=marker(first, "blue"))

    assert world.stages() == ["PRODUCTION", "ARCHIVED", "ARCHIVED"]
    assert len(world.history("rollback")) == 2


def test_a_rollback_while_shadowing_archives_the_candidate(world, marker):
    first = world.released("r1")
    world.in_production("r2")
    world.advance("SUCCEEDED")
    world.start_rollout(world.staged("r3"))
    world.advance("SHADOWING")

    end(world, "ROLLED_BACK", marker=marker(first, "blue"))

    assert world.stages() == ["PRODUCTION", "ARCHIVED", "ARCHIVED"]


def test_bad_evidence_does_not_hold_a_rollback_up(world, marker):
    first = world.released("r1")
    second = world.in_canary("r2")
    world.clock.now += 60
    evidence = world.envelope("canary", second, [], signer="gate")

    answer = end(world, "ROLLED_BACK", marker=marker(first), evidence=evidence)

    assert answer.status_code == 200
    assert "not by gate" in world.history("rollback")[-1]["body"]["evidence_refused"]
    assert "canary" not in world.version(2)["evidence"]


def test_users_never_get_what_was_not_in_production(world, marker):
    world.released("r1")
    third = world.staged("r3")
    world.in_canary("r2")

    answer = end(world, "ROLLED_BACK", marker=marker(third))

    assert "never in PRODUCTION" in answer.json()["detail"]


def test_a_canary_is_not_aborted(world):
    world.released("r1")
    world.in_canary("r2")

    assert "roll it back" in end(world, "ABORTED").json()["detail"]


def test_a_rollout_that_is_not_the_latest_is_not_ended(world):
    world.released("r1")
    first = world.state["rollout"]["id"]
    world.start_rollout(world.staged("r2"))

    body = {"phase": "ABORTED", "reason": "late"}
    answer = world.post(f"/rollouts/{first}/end", body, "rollout-controller")

    assert answer.status_code == 409
    assert "its latest is" in answer.json()["detail"]


def test_a_first_release_that_is_given_up_is_archived(world):
    world.start_rollout(world.staged("r1"))

    assert end(world, "ABORTED").status_code == 200
    assert world.stages() == ["ARCHIVED"]


def test_a_waiver_opens_a_canary_but_never_ends_it(world):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)
    world.advance("SHADOWING")
    waiver = {
        "digest": second,
        "gate": "shadow",
        "move": "SHADOW->CANARY",
        "reason": "a drill",
        "expires_at": world.clock.now + 3600,
    }
    world.post("/waivers", waiver)

    opened = world.advance("CANARY", 0).json()

    assert opened["advanced"]
    assert opened["verdict"]["reasons"][0]["waived"]
    assert not world.advance("BAKING").json()["advanced"]


def test_evidence_for_a_step_that_no_gate_guards_is_refused(world):
    world.released("r1")
    second = world.staged("r2")
    world.start_rollout(second)

    answer = world.advance("SHADOWING", evidence=world.shadow_evidence(second))

    assert answer.status_code == 422


def test_slow_counted_over_another_limit_settles_nothing(world, make):
    world.released("r1")
    second = world.in_canary("r2")
    world.clock.now += 60
    measured = [make.requests(), make.slow(limit_ms=300)]
    evidence = world.envelope("canary", second, measured)

    answer = world.advance("BAKING", evidence=evidence).json()

    assert answer["verdict"]["outcome"] == "INCONCLUSIVE"
    texts = [reason["text"] for reason in answer["verdict"]["reasons"]]
    assert any("counted over 300 ms, the Gate's slow_ms is 150" in text for text in texts)


def test_the_ledger_of_a_whole_life_is_sound(world, marker):
    first = world.released("r1")
    world.in_production("r2")
    end(world, "ROLLED_BACK", marker=marker(first))

    report = world.get("/v1/ledger/verify").json()
    lines = world.get("/v1/ledger").text.splitlines()

    assert report["problem"] is None
    assert report["entries"] == len(lines) == world.seq
