import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from lifecycle.documents import DocumentRefused
from lifecycle.policy_files import read_policy
from lifecycle.policy_schema import policy_schema

ROOT = Path(__file__).parents[3]
EXAMPLE = yaml.safe_load((ROOT / "examples" / "sentiment" / "policy.yaml").read_text())


def is_valid(document):
    return jsonschema.Draft202012Validator(policy_schema()).is_valid(document)


def test_the_published_schema_is_the_one_that_the_code_makes():
    published = json.loads((ROOT / "docs" / "schemas" / "gate-policy.schema.json").read_text())

    assert published == policy_schema(), "run make render"


@pytest.mark.parametrize(
    "path",
    ["examples/sentiment/policy.yaml", "tests/platform/small-policy.yaml"],
)
def test_policies_that_are_read_are_valid(path):
    document = yaml.safe_load((ROOT / path).read_text())

    assert read_policy(document)
    jsonschema.Draft202012Validator(policy_schema()).validate(document)


CHANGES = {
    "no gates": lambda d: d.pop("gates"),
    "unknown field": lambda d: d["gates"][0].update(at_leest=1),
    "unknown measure": lambda d: d["gates"][0]["rules"][0].update(measure="charm"),
    "measure of other evidence": lambda d: d["gates"][0]["rules"][0].update(measure="error_ratio"),
    "two limits": lambda d: d["gates"][0]["rules"][-1].update(at_least=0.1, margin=0.1),
    "no limit": lambda d: d["gates"][0]["rules"][0].pop("at_least"),
    "limit of the wrong kind": lambda d: d["gates"][0]["rules"][0].update(margin=0.1),
    "rate beyond one": lambda d: d["gates"][-1]["rules"][0].update(at_most=1.5),
    "unknown move": lambda d: d["gates"][0].update(guards=["A->B"]),
    "no number": lambda d: d["gates"][0].update(alpha="x"),
    "optional scores": lambda d: d["gates"][0]["rules"][0].update(optional=True),
    "image by tag": lambda d: d.update(training_images=["jobs:latest"]),
    "no texts explained": lambda d: d.update(explanations={"rows": 0}),
    "unknown edit": lambda d: d.update(behaviour={"invariance": [{"name": "x", "edit": "shout"}]}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_refused_by_the_schema_is_refused_by_the_code(change):
    document = copy.deepcopy(EXAMPLE)
    change(document)

    assert not is_valid(document)
    with pytest.raises(DocumentRefused):
        read_policy(document)
