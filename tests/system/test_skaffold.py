"""skaffold.yaml fits the schema of its version, which comes with skaffold's own module."""

import jsonschema
import yaml


def test_skaffold_yaml_fits_its_schema(root, skaffold_schema):
    document = yaml.safe_load((root / "skaffold.yaml").read_text())
    assert document["apiVersion"] == "skaffold/v4beta14"
    jsonschema.Draft7Validator(skaffold_schema).validate(document)


def test_the_schema_refuses_what_skaffold_does_not_know(root, skaffold_schema):
    document = yaml.safe_load((root / "skaffold.yaml").read_text())
    document["deploy"]["helm"]["releases"][0]["chart"] = "a misspelt chartPath"
    assert not jsonschema.Draft7Validator(skaffold_schema).is_valid(document)
