import json
from pathlib import Path

from lifecycle.policy_schema import policy_schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"


def test_a_policy_that_can_be_used_is_told_rule_by_rule(run):
    code, out, err = run("policy", "check", EXAMPLE)

    assert code == 0
    assert "macro_f1 on long: at least 0.75" in out
    assert "can be used: sentiment" in err


def test_a_wrong_policy_is_refused_with_the_field(run, tmp_path):
    wrong = tmp_path / "policy.yaml"
    wrong.write_text((EXAMPLE / "policy.yaml").read_text().replace("at_least: 0.80", "at_leest: 1"))

    code, _, err = run("policy", "check", wrong)
    assert code == 1
    assert "rules[0] has 0 limits" in err


def test_what_is_no_yaml_is_refused_by_its_path(run, tmp_path):
    broken = tmp_path / "policy.yaml"
    broken.write_text("{")

    code, _, err = run("policy", "check", broken)
    assert code == 1
    assert f"{broken} is not YAML" in err


def test_the_schema_is_printed_as_json(run):
    code, out, _ = run("policy", "schema")

    assert code == 0
    assert json.loads(out) == policy_schema()
