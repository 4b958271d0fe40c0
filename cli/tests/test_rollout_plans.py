import json

import pytest

from isogloss.forecasts import traffic_of, with_hours

DIGEST = "sha256:" + "a" * 64
STATE = {"name": "sentiment", "seq": 4, "rollout": None}
PRODUCTION = {"number": 1, "digest": DIGEST, "stage": "PRODUCTION", "lineage": {}, "metadata": {}}
PAGE = {
    "texts_per_second": 20.0,
    "unique_share": 0.5,
    "labels_per_second": 0.1,
    "slices": {"long": 5.0},
}
NOISE = {"n": 500, "differing": 40, "lower": 0.06, "point": 0.08, "upper": 0.11}
PLACE = f"/v1/models/sentiment/versions/{DIGEST}"


def a_rule(measure="disagreement", unit="pairs", slice_name="all", limit=0.05):
    numbers = {"good": limit / 2, "pass_rows": 720, "bad": 2 * limit, "fail_rows": None}
    return {
        "gate": "shadow",
        "measure": measure,
        "slice": slice_name,
        "unit": unit,
        "limit": limit,
        **numbers,
    }


PLAN = {
    "gates": [
        {
            "name": "shadow",
            "evidence": "shadow",
            "min_n": 300,
            "min_duration_seconds": 86400,
            "max_duration_seconds": 604800,
        }
    ],
    "rules": [a_rule()],
}

OUTLOOK = {
    "strategy": "canary",
    "steps": [
        {"phase": "CANARY", "users": 10, "decided_by": ["canary"], "watched_by": []},
        {"phase": "BAKING", "users": 100, "decided_by": [], "watched_by": ["canary"]},
    ],
    "refused": [],
    "remarks": ["the Baseline was never asked twice"],
    "noise": None,
}


@pytest.fixture
def planned(served_home, server, run):
    def ask(*options, refused=()):
        server.answers |= {
            ("GET", "/v1/models/sentiment"): (200, {}, STATE | {"versions": [PRODUCTION]}),
            ("GET", "/v1/models/sentiment/plan?power=0.8&share=0.1"): (200, {}, PLAN),
            ("GET", f"{PLACE}/traffic"): (200, {}, PAGE),
            ("GET", "/v1/models/sentiment/plan"): (200, {}, OUTLOOK | {"refused": refused}),
        }
        return run("--home", served_home.root, "rollout", "plan", "sentiment", *options)

    return ask


@pytest.mark.parametrize(
    ("rule", "hours"),
    [
        (a_rule(), 720 / (20 * 0.5 * 0.2) / 3600),
        (a_rule(slice_name="long"), 720 / (20 * 0.5 * 0.2 * 0.25) / 3600),
        (a_rule(unit="labelled pairs"), 720 / (0.1 * 0.2) / 3600),
        (a_rule(unit="requests"), 720 / (20 * 0.1) / 3600),
        (a_rule(slice_name="domain=books"), None),
    ],
    ids=["pairs", "of a slice", "labelled", "canary", "of a slice without traffic"],
)
def test_rows_become_hours_at_the_traffic_that_counts(rule, hours):
    (found,) = with_hours({"rules": [rule]}, traffic_of(PAGE, mirror=20, canary=10))

    assert found["pass_hours"] == (hours and pytest.approx(hours))
    assert found["fail_hours"] is None


def test_a_plan_says_rows_hours_and_waits(planned):
    code, out, said = planned()

    assert code == 0
    assert "disagreement on all: 0.05" in out
    assert "72 s" in out
    assert "never" in out
    assert "shadow: at least 300 rows over 24.0 h, and after 7.0 days a person is asked" in said
    assert "CANARY, 10 % of the users: canary must PASS" in said
    assert "BAKING, 100 % of the users: a FAIL of canary goes back" in said
    assert "note: the Baseline was never asked twice" in said


def test_a_plan_at_another_rate_takes_another_time(planned):
    told = json.loads(planned("--rate", "2", "-o", "json")[1])

    assert told["rules"][0]["pass_hours"] == pytest.approx(0.2)


def test_a_plan_that_cannot_be_met_exits_1(planned):
    code, _, said = planned(refused=["shadow: disagreement is limited to 5.00%"])

    assert code == 1
    assert "refused: shadow: disagreement is limited to 5.00%" in said


def test_an_a_a_run_sends_each_text_twice_and_waits_for_the_counts(
    served_home, server, run, tmp_path
):
    texts = [f"text {number}" for number in range(20)]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    counted = [(409, {}, {"detail": "3 were answered twice", "status": 409}), NOISE | {"n": 20}]

    def measure(_body):
        answer = counted.pop(0)
        return answer if isinstance(answer, tuple) else (200, {}, answer)

    server.answers |= {
        ("GET", "/v1/models/sentiment"): (200, {}, STATE | {"versions": [PRODUCTION]}),
        ("POST", "/predict"): (200, {}, {}),
        ("POST", f"{PLACE}/noise"): measure,
    }
    code, out, _ = run("--home", served_home.root, "rollout", "noise", "sentiment", file)

    sent = [json.loads(body)["text"] for _, path, _, body in server.seen if path == "/predict"]
    assert (code, sent) == (0, texts * 2)
    assert "0.08" in out
