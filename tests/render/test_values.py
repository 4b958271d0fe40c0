"""Values: every one is described, an unknown or wrong one refused with what to do."""

import json
import subprocess
import sys

import jsonschema
import pytest
import yaml

GIVEN = "requireClusterApis=false,gateway.name=models,gateway.namespace=models"
KEYS = (
    "registryProxy.existingSecret=a,driftMonitor.existingSecret=b,"
    "rolloutController.existingSecret=c,jobs.existingSecret=d,keys.existingTrustConfigMap=e"
)


def refusal(chart, *settings):
    options = [part for each in (GIVEN, *settings) for part in ("--set", each)]
    code, _, told = chart.helm("template", "isogloss", chart.folder, *options)
    assert code != 0
    return told


def closed(schema, path=""):
    """Yield the paths of the mappings that take any key."""
    if schema.get("type") == "object" and "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield path
        for key, child in schema["properties"].items():
            yield from closed(child, f"{path}.{key}")


def test_schema_and_readme_are_made_from_the_values(chart):
    script = chart.root / "scripts/chart_values.py"
    checked = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("name", ["isogloss", "isogloss-crds"])
def test_the_defaults_fit_the_schema_which_takes_no_unknown_key(chart, name):
    folder = chart.root / "charts" / name
    schema = json.loads((folder / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((folder / "values.yaml").read_text()), schema)
    assert not list(closed(schema))


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("replicas=3", "additional properties 'replicas' not allowed"),
        ("registryProxy.resources.request.cpu=1", "additional properties 'request' not allowed"),
        ("networkPolicy.enabled=sure", "/networkPolicy/enabled"),
        ("logLevel=loud", "/logLevel"),
        ("inference.image.digest=latest", "additional properties 'inference' not allowed"),
        ("predictors.image.digest=latest", "/predictors/image/digest"),
        ("rolloutController.replicas=0", "/rolloutController/replicas"),
        ("tokens.expirationSeconds=60", "/tokens/expirationSeconds"),
        ("registryProxy.pod.extraEnv[0].nam=X", "/registryProxy/pod/extraEnv/0"),
        ("mlflow.url=mlflow", "/mlflow/url"),
        ("registryProxy.database.url=sqlite:///x", "/registryProxy/database/url"),
    ],
)
def test_a_wrong_value_is_refused_by_name(chart, setting, named):
    assert named in refusal(chart, setting)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (["registryProxy.autoscaling.enabled=true"], "raise registryProxy.resources"),
        (["driftMonitor.autoscaling.enabled=true"], "raise driftMonitor.resources"),
        (["registryProxy.replicas=2"], "set registryProxy.database.url and"),
        (
            ["postgresql.enabled=true,registryProxy.database.url=postgresql://db/ledger"],
            "leave registryProxy.database.url empty",
        ),
        (["driftMonitor.replicas=2"], "set driftMonitor.database.url"),
        (["mlflow.enabled=false"], "set mlflow.url to the address of yours"),
        (["mlflow.url=http://mlflow"], "Set mlflow.enabled=false to use yours"),
        (["gateway.name="], "set gateway.name and gateway.namespace"),
        (["gateway.create=true,gateway.namespace="], "name a GatewayClass"),
        (["gateway.create=true,gateway.className=envoy"], "Leave gateway.namespace empty"),
        (["keys.create=false"], "keys.existingTrustConfigMap"),
        (["keys.create=false", KEYS], "keys.existingFingerprintSecret. Name them"),
        (
            [
                "rolloutController.autoscaling.enabled=true,rolloutController.autoscaling.minReplicas=9"
            ],
            "raise maxReplicas",
        ),
    ],
)
def test_what_cannot_work_together_is_refused_with_a_remedy(chart, settings, remedy):
    assert remedy in refusal(chart, *settings)


@pytest.mark.parametrize(
    ("present", "missing", "remedy"),
    [
        ([], "gateway.networking.k8s.io/v1/HTTPRoute", "install the Gateway API"),
        (["gateway.networking.k8s.io/v1/HTTPRoute"], "isogloss.dev/v1alpha1", "isogloss-crds"),
        (
            [
                "gateway.networking.k8s.io/v1/HTTPRoute",
                "isogloss.dev/v1alpha1/ServedModel",
                "isogloss.dev/v1alpha1/AdmittedVersions",
            ],
            "serving.kserve.io",
            "install KServe in Standard mode",
        ),
    ],
)
def test_a_cluster_that_lacks_an_api_is_told_how_to_get_it(chart, present, missing, remedy):
    versions = [part for api in present for part in ("--api-versions", api)]
    code, _, told = chart.helm(
        "template",
        "isogloss",
        chart.folder,
        "--set",
        GIVEN,
        "--set",
        "requireClusterApis=true",
        *versions,
    )
    assert code != 0
    assert f"This cluster has no {missing}" in told
    assert remedy in told


def test_no_value_is_left_unread(chart):
    """A switch that nothing reads promises what does not happen."""
    templates = "\n".join(
        path.read_text()
        for path in sorted((chart.folder / "templates").rglob("*"))
        if path.is_file()
    )
    values = yaml.safe_load((chart.folder / "values.yaml").read_text())

    def keys(section):
        for key, value in section.items():
            yield key
            if isinstance(value, dict):
                yield from keys(value)

    free = {"cpu", "memory", "grafana_dashboard", "requests", "limits"}
    assert not {key for key in keys(values) if f".{key}" not in templates} - free
