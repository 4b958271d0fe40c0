"""The drill demands a FAIL in time, and leaves no bad version where users are."""

import pytest

from isogloss.drill import DrillPlan, drill
from isogloss.failures import Refused

OLD, BAD = "sha256:" + "1" * 64, "sha256:" + "2" * 64
FAIL = {"outcome": "FAIL", "reasons": []}
PLAN = DrillPlan("m", "2", 500, 60)


class Platform:
    """Answers as the services do; each status that is asked for is the next of `story`."""

    def __init__(self, *story, verdict=FAIL, reason="SHADOWING gate: 31 % disagree"):
        self.story = [("SUCCEEDED", 100, 0, 0), *story]
        self.told = []
        self.end = {"verdict": verdict, "reason": reason}
        self.controller = self.registry = self.drift = self
        self._pairs = 0

    def status(self, _model):
        phase, blue, pairs, requests = self.story.pop(0) if len(self.story) > 1 else self.story[0]
        self._pairs, self.phase = pairs, phase
        return {
            "phase": phase,
            "step": 0 if phase == "CANARY" else -1,
            "baseline": OLD,
            "candidate": BAD,
            "route": {"blue": blue, "green": 100 - blue},
            "colours": {"blue": {"digest": OLD}, "green": {"digest": BAD}},
            "canary": {"requests": requests, "errors": 0, "over": 0},
            "conditions": [],
        }

    def start(self, _model, _version):
        return {"rollout": {"id": "r7", "baseline": OLD}}

    def eligible_pairs(self, _model, _rollout):
        return self._pairs

    def history(self, _model):
        body = {"rollout": {"id": "r7", "phase": self.phase}, **self.end}
        return [{"kind": "rollout", "body": body}]

    def tell_current(self, _model, verb, _reason):
        self.told.append(verb)

    def rollback(self, _model, _reason):
        self.told.append("rollback")


SHADOW = [("PENDING", 100, 0, 0), ("SHADOWING", 100, 40, 0), ("ABORTED", 100, 120, 0)]
CANARY = [("SHADOWING", 100, 200, 0), ("CANARY", 90, 200, 50), ("ROLLED_BACK", 100, 200, 50)]


@pytest.mark.parametrize(("story", "requests"), [(SHADOW, 120), (CANARY, 250)])
def test_a_bad_version_that_fails_in_time_is_told_with_its_requests(story, requests):
    said = []
    assert drill(Platform(*story), PLAN, said.append) == requests
    assert any("SHADOWING" in line for line in said)


def test_one_that_takes_too_many_requests_is_aborted():
    platform = Platform(("SHADOWING", 100, 501, 0))
    with pytest.raises(Refused, match="not found out: still SHADOWING after 501 requests"):
        drill(platform, PLAN, print)
    assert platform.told == ["abort"]


def test_one_that_is_promoted_is_rolled_back():
    platform = Platform(("CANARY", 90, 200, 50), ("SUCCEEDED", 0, 200, 50))
    with pytest.raises(Refused, match="was promoted after 250 requests and is rolled back"):
        drill(platform, PLAN, print)
    assert platform.told == ["rollback"]


@pytest.mark.parametrize(
    ("platform", "refusal"),
    [
        (Platform(*SHADOW, verdict=None, reason="enough (ada)"), "without a FAIL: enough"),
        (Platform(*SHADOW[:-1], ("ABORTED", 100, 600, 0)), "after 600 requests; 500 are allowed"),
        (Platform(*SHADOW[:-1], ("ABORTED", 50, 120, 0)), "users of m get several versions"),
    ],
    ids=["by hand", "late", "still split"],
)
def test_any_other_end_is_refused(platform, refusal):
    with pytest.raises(Refused, match=refusal):
        drill(platform, PLAN, print)


@pytest.mark.parametrize(
    ("before", "refusal"),
    [
        (("CANARY", 90, 0, 0), "end it before a drill"),
        (("ABORTED", 50, 0, 0), "nothing to go back"),
    ],
)
def test_it_begins_only_where_there_is_a_way_back(before, refusal):
    platform = Platform()
    platform.story = [before]
    with pytest.raises(Refused, match=refusal):
        drill(platform, PLAN, print)
