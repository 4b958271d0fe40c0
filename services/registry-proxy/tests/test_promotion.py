def test_a_version_with_good_evidence_goes_to_staging(world):
    digest = world.staged()

    assert world.version(1)["stage"] == "STAGING"
    (moved,) = world.history("transition")
    assert moved["actor"] == "the operator"
    assert moved["body"]["verdict"]["outcome"] == "PASS"
    assert len(moved["body"]["evidence"]) == 2
    assert moved["body"]["digest"] == digest


def test_without_evidence_nothing_moves_and_the_denial_is_recorded(world):
    digest = world.register()

    answer = world.transition(digest)

    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"] == "urn:isogloss:problem:gate-refused"
    assert problem["verdict"]["outcome"] == "INCONCLUSIVE"
    (denied,) = world.history("denied")
    assert denied["body"]["verdict"] == problem["verdict"]
    assert problem["seq"] == denied["seq"] == world.seq
    assert world.stages() == ["REGISTERED"]


def test_a_failed_gate_refuses_with_the_interval(world, make):
    digest = world.register()
    worse = make.without_baseline(make.cells(right=2000, wrong_by_both=1000))
    world.submit("offline", digest, [worse])
    world.submit("latency", digest, [make.latencies()])

    answer = world.transition(digest)

    assert answer.status_code == 409
    assert answer.json()["verdict"]["outcome"] == "FAIL"
    assert "macro_f1 on slice all: 0.6667 [0.65" in answer.json()["detail"]
    assert "speed" not in answer.json()["detail"]


def test_a_version_worse_than_production_is_refused(world, make):
    world.released("r1")
    digest = world.register("r2")
    worse = make.cells(right=2700, wrong_by_both=100, wins=20, losses=200)
    world.submit("offline", digest, [worse])
    world.submit("latency", digest, [make.latencies()])

    answer = world.transition(digest)

    assert answer.status_code == 409
    assert "macro_f1_difference on slice all: -0.0596 [-0.06" in answer.json()["detail"]


def test_a_stale_sequence_is_told_the_head_and_leaves_no_trace(world):
    digest = world.register()
    before = world.seq

    answer = world.transition(digest, expected_seq=before - 1)

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:isogloss:problem:stale-sequence"
    assert answer.json()["seq"] == before == world.seq


def test_users_versions_are_not_archived_by_hand(world):
    digest = world.released()

    answer = world.transition(digest, "ARCHIVED")

    assert answer.json()["type"] == "urn:isogloss:problem:illegal-transition"
    assert "in PRODUCTION" in answer.json()["detail"]
    assert world.history("denied")[-1]["body"]["reason"] == answer.json()["detail"]


def test_a_candidate_is_not_archived_by_hand(world):
    digest = world.staged()
    world.start_rollout(digest)

    answer = world.transition(digest, "ARCHIVED")

    assert answer.status_code == 409
    assert "candidate of rollout" in answer.json()["detail"]


def test_production_is_not_reached_by_a_bare_promotion(world):
    answer = world.transition(world.staged(), "PRODUCTION")

    assert answer.status_code == 409
    assert "start one" in answer.json()["detail"]


def test_a_registered_version_may_be_archived_without_any_gate(world):
    answer = world.transition(world.register(), "ARCHIVED")

    assert answer.status_code == 200
    assert answer.json()["version"]["stage"] == "ARCHIVED"
    assert answer.json()["verdict"]["outcome"] == "PASS"


def test_an_archived_version_is_offered_again_on_new_evidence_only(world, make):
    digest = world.staged("r1")
    world.transition(digest, "ARCHIVED")
    world.clock.now += 2 * 86400

    assert world.transition(digest).status_code == 409

    world.submit("offline", digest, [make.without_baseline(make.cells(2800, 200))])
    assert world.transition(digest).status_code == 200


def test_without_a_policy_nothing_is_promoted(empty_world):
    answer = empty_world.transition(empty_world.register())

    assert answer.json()["verdict"]["outcome"] == "INCONCLUSIVE"
    assert "no gate policy" in answer.json()["detail"]


def test_a_policy_that_changed_makes_evidence_useless(world):
    digest = world.staged("r1")
    world.transition(digest, "ARCHIVED")
    world.put_policy(version="2.0.0")

    answer = world.transition(digest)

    assert answer.status_code == 409
    assert "was measured with policy" in answer.json()["detail"]


def test_the_same_policy_twice_is_written_once(world):
    before = world.seq

    answer = world.put_policy()

    assert answer.json() == {"policy": world.state["policy"], "seq": before}


def test_why_says_what_would_change_the_verdict(world, make):
    digest = world.register()
    world.submit("offline", digest, [make.without_baseline(make.cells(2000, 1000))])
    before = world.seq

    answer = world.get("/v1/models/sentiment/versions/1/why").json()

    assert answer["move"] == "REGISTERED->STAGING"
    assert answer["seq"] == before == world.seq
    texts = [reason["text"] for reason in answer["verdict"]["reasons"]]
    assert any("must be at least 0.8; only another version" in text for text in texts)
    assert any("no latency evidence" in text for text in texts)


def findings_of(world, reference="1"):
    answer = world.get(f"/v1/models/sentiment/versions/{reference}/why").json()
    return answer, {f.get("measure"): f for f in answer["findings"]}


def test_why_gives_every_rules_numbers_and_the_rows_that_would_settle_it(world, make):
    digest = world.register()
    world.submit("offline", digest, [make.without_baseline(make.cells(2430, 570))])
    world.submit("latency", digest, [make.latencies()])

    answer, by_measure = findings_of(world)

    macro_f1 = by_measure["macro_f1"]
    assert (answer["stage"], macro_f1["outcome"]) == ("REGISTERED", "INCONCLUSIVE")
    assert macro_f1["lower"] < macro_f1["point"] == 0.81 < macro_f1["upper"]
    assert (macro_f1["n"], macro_f1["limit"]) == (3000, {"at_least": 0.8})
    assert 3000 < macro_f1["rows_needed"] < 6000
    assert f"about {macro_f1['rows_needed']:,} rows" in macro_f1["change"]
    assert by_measure["latency_ms_p95"]["change"] is None
    assert "more rows" in answer["next"]


def test_why_says_the_command_that_comes_next(world, make):
    digest = world.register()
    commands = [findings_of(world)[0]["next"]]
    for measured in ((600, 2400), (2700, 300)):
        world.clock.now += 1
        world.submit("offline", digest, [make.without_baseline(make.cells(*measured))])
        world.submit("latency", digest, [make.latencies()])
        commands.append(findings_of(world)[0]["next"])
    world.transition(digest)
    commands.append(findings_of(world)[0]["next"])

    assert commands == [
        "isogloss evaluate sentiment 1",
        "isogloss train PROJECT --family FAMILY",
        "isogloss models promote sentiment 1",
        "isogloss rollout start sentiment 1",
    ]


def test_why_names_each_stages_next_move(world):
    first = world.released("r1")
    second = world.staged("r2")

    def moves():
        versions = (world.get(f"/v1/models/sentiment/versions/{d}/why") for d in (first, second))
        return [answer.json()["move"] for answer in versions]

    assert moves() == [None, "STAGING->SHADOW"]
    world.start_rollout(second)
    assert moves() == [None, "SHADOW->CANARY"]


class TestWaivers:
    def ask(self, world, digest, **changes):
        body = {
            "digest": digest,
            "gate": "quality",
            "move": "REGISTERED->STAGING",
            "reason": "a drill",
            "expires_at": world.clock.now + 3600,
        }
        return world.post("/waivers", {**body, **changes})

    def test_a_waiver_stands_in_for_one_gate(self, world, make):
        digest = world.register()
        world.submit("latency", digest, [make.latencies()])

        assert self.ask(world, digest).status_code == 201

        answer = world.transition(digest)
        assert answer.status_code == 200
        reasons = answer.json()["verdict"]["reasons"]
        assert [(r["gate"], r["waived"]) for r in reasons] == [("quality", True), ("speed", False)]

    def test_a_waiver_is_signed_evidence_that_names_the_person(self, world):
        digest = self.ask(world, world.register()).json()["evidence"]

        envelope = world.get(f"/v1/evidence/{digest}").json()
        assert envelope["signatures"][0]["keyid"] == world.signers["registry-proxy"].key_id
        (waiver,) = world.version(1)["waivers"]
        assert (waiver["by"], waiver["evidence"]) == ("the operator", digest)

    def test_a_waiver_ends(self, world, make):
        digest = world.register()
        world.submit("latency", digest, [make.latencies()])
        self.ask(world, digest)
        world.clock.now += 3601

        assert world.transition(digest).status_code == 409

    def test_what_must_not_be_waived_is_refused_and_recorded(self, world):
        digest = world.register()
        week = 7 * 86400
        answers = [
            self.ask(world, digest, move="STAGING->PRODUCTION"),
            self.ask(world, digest, move="SHADOW->PRODUCTION", gate="canary"),
            self.ask(world, digest, gate="shadow"),
            self.ask(world, digest, expires_at=world.clock.now + week + 1),
            self.ask(world, digest, expires_at=world.clock.now - 1),
        ]

        assert {answer.status_code for answer in answers} == {422}
        assert [a.json()["type"].rsplit(":")[-1] for a in answers] == ["waiver-refused"] * 5
        assert len(world.history("denied")) == 5
        assert not world.version(1)["waivers"]

    def test_a_policy_may_forbid_waivers(self, world):
        world.put_policy(waivers_allowed=False)

        assert "does not allow" in self.ask(world, world.register()).json()["detail"]

    def test_a_waiver_counts_no_more_once_the_policy_forbids_them(self, world, make):
        digest = world.register()
        self.ask(world, digest)
        world.put_policy(waivers_allowed=False)
        world.submit("latency", digest, [make.latencies()])

        assert world.transition(digest).status_code == 409

    def test_a_waiver_needs_a_reason(self, world):
        assert self.ask(world, world.register(), reason="").status_code == 422
