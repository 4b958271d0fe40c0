"""The ServedModel resource and lifecycle.served_models are one document with one meaning.

Rules in CEL need an API server: tests/cluster asks one about the same specs.
"""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from inference.settings import InferenceSettings
from lifecycle.documents import DocumentRefused
from lifecycle.served_models import LONGEST_NAME, read_served_model
from rollout_controller.hostnames import refuse_hostnames

SPECS = yaml.safe_load(Path(__file__).with_name("served-models.yaml").read_text())


@pytest.fixture(scope="module")
def version(chart):
    resource = chart.of_kind(chart.rendered("isogloss-crds"), "CustomResourceDefinition")[
        "servedmodels.isogloss.dev"
    ]
    (version,) = resource["spec"]["versions"]
    return version


@pytest.fixture(scope="module")
def schema(version):
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def document(spec, name="sentiment"):
    metadata = {"name": name}
    kind = {"apiVersion": "isogloss.dev/v1alpha1", "kind": "ServedModel"}
    return {**kind, "metadata": metadata, "spec": spec}


def defaulted(spec, schema):
    """Fill in defaults as an API server does."""
    if schema.get("type") != "object":
        return spec
    filled = dict(spec)
    for key, child in schema["properties"].items():
        if key not in filled and "default" in child:
            filled[key] = child["default"]
        if key in filled:
            filled[key] = defaulted(filled[key], child)
    return filled


def is_taken(spec):
    """Tell whether all who read a ServedModel in this repository take it."""
    try:
        model = read_served_model(document(spec))
        InferenceSettings(model="m", artifact="/mnt/models", slices=model.slices)
    except (DocumentRefused, ValueError):
        return False
    return not refuse_hostnames({model.name: model}, ())


def nested(schema):
    yield schema
    for child in [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]:
        yield from nested(child)


@pytest.mark.parametrize("spec", SPECS["taken"], ids=json.dumps)
def test_what_is_taken_has_the_same_defaults_in_both(schema, spec):
    filled = defaulted(spec, schema)
    jsonschema.validate(filled, schema)
    assert is_taken(spec)
    assert read_served_model(document(filled)) == read_served_model(document(spec))


@pytest.mark.parametrize("spec", SPECS["refused"], ids=json.dumps)
def test_what_one_refuses_the_other_refuses(schema, spec):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(defaulted(spec, schema), schema)
    assert not is_taken(spec)


@pytest.mark.parametrize("spec", SPECS["cel"], ids=json.dumps)
def test_what_a_rule_refuses_is_refused_on_a_laptop(spec):
    assert not is_taken(spec)


@pytest.mark.parametrize("name", SPECS["names"]["taken"])
def test_a_name_that_the_rule_takes_is_taken_on_a_laptop(name):
    assert read_served_model(document({}, name)).name == name


@pytest.mark.parametrize("name", SPECS["names"]["refused"])
def test_a_name_that_the_rule_refuses_is_refused_on_a_laptop(name):
    with pytest.raises(DocumentRefused, match=r"metadata\.name"):
        read_served_model(document({}, name))


def test_both_say_how_long_a_name_may_be(version):
    (rule,) = version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]
    assert f"size(self.metadata.name) <= {LONGEST_NAME}" in rule["rule"]
    assert f"at most {LONGEST_NAME} characters" in rule["message"]


def test_the_example_is_taken(chart, schema):
    example = yaml.safe_load((chart.root / "examples/sentiment/served-model.yaml").read_text())
    jsonschema.validate(example["spec"], schema)
    assert is_taken(example["spec"])


def test_every_field_has_a_limit_and_none_is_kept_unknown(version):
    whole = version["schema"]["openAPIV3Schema"]
    assert "x-kubernetes-preserve-unknown-fields" not in json.dumps(whole)
    for each in nested(whole["properties"]["spec"]):
        if each["type"] in {"integer", "number"}:
            assert {"minimum", "maximum"} <= each.keys()
        if each["type"] == "array":
            assert "maxItems" in each


def test_kubectl_get_shows_where_a_rollout_stands(version):
    names = [column["name"] for column in version["additionalPrinterColumns"]]
    assert names[:5] == ["Ready", "Phase", "Weights", "Verdict", "Production"]
    assert version["subresources"] == {"status": {}}


def test_the_resources_outlive_their_chart(chart):
    for resource in chart.rendered("isogloss-crds"):
        assert resource["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
