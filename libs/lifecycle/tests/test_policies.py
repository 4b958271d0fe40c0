import copy

import pytest

from lifecycle.documents import DocumentRefused
from lifecycle.policies import GUARDABLE, AtLeast, AtMost, NonInferior, Rule
from lifecycle.policy_files import read_policy

DOCUMENT = {
    "kind": "GatePolicy",
    "name": "sentiment",
    "version": "1.0.0",
    "evidence_max_age_hours": 24,
    "gates": [
        {
            "name": "quality",
            "guards": ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"],
            "evidence": "offline",
            "rules": [
                {"measure": "macro_f1", "at_least": 0.8},
                {"measure": "macro_f1_difference", "margin": 0.02},
            ],
        },
        {
            "name": "shadow",
            "guards": ["SHADOW->CANARY"],
            "evidence": "shadow",
            "rules": [{"measure": "disagreement", "at_most": 0.15}],
        },
        {
            "name": "canary",
            "guards": ["SHADOW->PRODUCTION"],
            "evidence": "canary",
            "rules": [{"measure": "error_ratio", "at_most": 0.02}],
        },
    ],
}


def changed(change):
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return document


def test_a_policy_is_read_with_its_limits():
    policy = read_policy(DOCUMENT)

    (quality,) = policy.guarding("REGISTERED->STAGING")
    assert [rule.limit for rule in quality.rules] == [AtLeast(0.8), NonInferior(0.02)]
    assert policy.guarding("SHADOW->CANARY")[0].rules[0].limit == AtMost(0.15)
    assert policy.evidence_max_age_seconds == 86400


def test_every_shadow_needs_its_pairs_and_a_weaker_limit_is_refused():
    shadow = read_policy(DOCUMENT).guarding("SHADOW->CANARY")[0]
    weaker = {"measure": "coverage", "at_least": 0.9}
    document = changed(lambda policy: policy["gates"][1]["rules"].append(weaker))

    assert shadow.rules[1:] == (Rule("coverage", "all", AtLeast(0.99)),)
    with pytest.raises(DocumentRefused, match=r"under 0\.99 nothing can PASS"):
        read_policy(document)


def test_a_rollout_asks_a_person_after_a_week_unless_the_policy_says_otherwise():
    policy = read_policy(DOCUMENT)

    waits = {gate.name: gate.max_duration_seconds for gate in policy.gates}
    assert waits == {"quality": None, "shadow": 7 * 86400, "canary": 7 * 86400}


def test_a_shadow_lasts_a_day_unless_the_policy_says_otherwise():
    policy = read_policy(DOCUMENT)

    assert policy.guarding("SHADOW->CANARY")[0].min_duration_seconds == 86400
    assert policy.guarding("SHADOW->PRODUCTION")[0].min_duration_seconds == 0


def test_waivers_are_forbidden_unless_the_policy_allows_them():
    assert not read_policy(DOCUMENT).waivers_allowed


@pytest.mark.parametrize("move", sorted(GUARDABLE))
def test_a_policy_that_leaves_a_move_unguarded_is_refused_by_the_moves_name(move):
    def unguard(document):
        for gate in document["gates"]:
            gate["guards"] = [g for g in gate["guards"] if g != move] or ["ARCHIVED->STAGING"]

    if move == "ARCHIVED->STAGING":
        document = changed(lambda d: d["gates"][0]["guards"].remove(move))
    else:
        document = changed(unguard)
    with pytest.raises(DocumentRefused, match=move):
        read_policy(document)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(lambda d: d.pop("name"), r"policy\.name is missing", id="missing"),
        pytest.param(
            lambda d: d["gates"][0].update(at_leest=1),
            r"policy\.gates\[0\] has unknown field 'at_leest'",
            id="misspelt",
        ),
        pytest.param(
            lambda d: d["gates"][0]["rules"][0].pop("at_least"), "has 0 limits", id="no limit"
        ),
        pytest.param(
            lambda d: d["gates"][0]["rules"][0].update(at_most=1), "has 2 limits", id="two limits"
        ),
        pytest.param(
            lambda d: d["gates"][0]["rules"][0].update(measure="charm"),
            r"rules\[0\]\.measure is 'charm'; it must be one of accuracy, calibration_error",
            id="unknown measure",
        ),
        pytest.param(
            lambda d: d["gates"][1].update(name="quality"), "a name twice", id="name twice"
        ),
        pytest.param(
            lambda d: d["gates"][1].update(alpha="x"), r"alpha is 'x'; it must be", id="no number"
        ),
        pytest.param(
            lambda d: d["gates"][1].update(guards=["A->B"]), "one of ARCHIVED", id="unknown move"
        ),
        pytest.param(lambda d: d.update(gates="all"), "must be a list", id="not a list"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_field_and_what_is_allowed(change, complaint):
    with pytest.raises(DocumentRefused, match=complaint):
        read_policy(changed(change))


def test_something_that_is_not_a_document_is_refused():
    with pytest.raises(DocumentRefused, match="a mapping is needed"):
        read_policy(["kind"])


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"measure": "macro_f1", "margin": 0.02}, "wrong kind of limit for macro_f1"),
        ({"measure": "macro_f1_difference", "margin": 1.5}, r"it lies in \[-1, 1\]"),
        ({"measure": "macro_f1_difference", "at_least": 2}, r"it lies in \[-1, 1\]"),
        ({"measure": "macro_f1", "at_most": 0.9}, "wrong kind of limit for macro_f1"),
        ({"measure": "accuracy", "at_least": 1}, "limits accuracy to 1"),
        ({"measure": "accuracy", "at_least": 0}, "limits accuracy to 0"),
    ],
)
def test_a_limit_that_cannot_be_missed_or_reached_is_refused(rule, reason):
    document = changed(lambda policy: policy["gates"][0]["rules"].append(rule))

    with pytest.raises(DocumentRefused, match=reason):
        read_policy(document)


def test_a_list_where_a_choice_belongs_is_refused():
    document = changed(lambda policy: policy.update(kind=["GatePolicy"]))

    with pytest.raises(DocumentRefused, match="must be one of GatePolicy"):
        read_policy(document)


def test_a_coverage_that_must_be_whole_is_refused():
    rule = {"measure": "coverage", "at_least": 1}
    document = changed(lambda policy: policy["gates"][1]["rules"].append(rule))

    with pytest.raises(DocumentRefused, match="limits coverage to 1"):
        read_policy(document)


def test_a_bootstrapped_measure_needs_a_hundred_rows_unless_the_policy_says_otherwise():
    rules = [{"measure": "accuracy", "at_least": 0.8}, {"measure": "macro_f1", "at_least": 0.8}]
    rules.append({"measure": "macro_f1", "slice": "long", "at_least": 0.8, "min_n": 1000})
    document = changed(lambda policy: policy["gates"][0].update(rules=rules))

    assert [rule.min_n for rule in read_policy(document).gates[0].rules] == [0, 100, 1000]


def test_a_limit_on_behaviour_without_a_test_of_it_is_refused():
    rule = {"measure": "invariance_failures", "at_most": 0.05}
    document = changed(lambda policy: policy["gates"][0]["rules"].append(rule))

    with pytest.raises(DocumentRefused, match="has no invariance tests"):
        read_policy(document)
    document["behaviour"] = {"invariance": [{"name": "case", "edit": "drop_case"}]}
    assert read_policy(document).behaviour.invariance
