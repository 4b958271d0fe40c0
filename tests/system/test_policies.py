"""No finding of checkov, kubernetes-validate or hadolint without a written reason."""

import json
import sys
from fnmatch import fnmatch
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

REASONS = Path(__file__).with_name("accepted-findings.yaml")
# Our own API objects and those of others: an API server checks them (tests/cluster).
NOT_OF_KUBERNETES = (
    "apiextensions.k8s.io/",
    "gateway.networking.k8s.io/",
    "gateway.envoyproxy.io/",
    "isogloss.dev/",
    "monitoring.coreos.com/",
    "serving.kserve.io/",
)


@pytest.fixture(scope="module")
def findings(run, checkov, rendered):
    """Each finding as "CHECK KIND/NAME"."""
    options = ["--framework=kubernetes", "--skip-download", "--quiet", "--compact", "--soft-fail"]
    run(checkov, *options, "-d", rendered, "-o", "json", "--output-file-path", rendered)
    report = json.loads((rendered / "results_json.json").read_text())
    assert report["summary"]["passed"] > 1000
    assert report["summary"]["parsing_errors"] == 0
    return {named(each) for each in report["results"]["failed_checks"]}


def named(finding):
    kind, _, rest = finding["resource"].partition(".")
    return f"{finding['check_id']} {kind}/{rest.removeprefix('isogloss.')}"


@pytest.fixture(scope="module")
def reasons():
    return yaml.safe_load(REASONS.read_text())


def test_checkov_finds_nothing_without_a_written_reason(findings, reasons):
    assert sorted(f for f in findings if not any(fnmatch(f, each) for each in reasons)) == []


def test_every_written_reason_is_still_needed(findings, reasons):
    assert [each for each in reasons if not any(fnmatch(f, each) for f in findings)] == []
    assert all(reasons.values())


def test_what_the_charts_render_to_fits_kubernetes_schemas(rendered):
    count = 0
    for path in rendered.glob("*.yaml"):
        for each in yaml.safe_load_all(path.read_text()):
            if each and not each["apiVersion"].startswith(NOT_OF_KUBERNETES):
                kubernetes_validate.validate(each, "1.34", strict=True)
                count += 1
    assert count > 100


def test_hadolint_finds_nothing_in_a_dockerfile(run, root):
    dockerfiles = [*root.glob("*/Dockerfile"), *root.glob("*/*/Dockerfile")]
    assert len(dockerfiles) > 5
    run(Path(sys.executable).with_name("hadolint"), "--failure-threshold", "style", *dockerfiles)
