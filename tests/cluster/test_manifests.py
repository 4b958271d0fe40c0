"""An API server takes what lies in manifests/: schemas of KServe, Gateway API and operators too.

Nothing is made: each object is sent as a dry run, into the test's own namespace.
"""

from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.cluster
MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
OPERATOR = "prometheusrules.monitoring.coreos.com"


def objects(path):
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


@pytest.fixture
def take(namespace, kubectl):
    """Send objects as a dry run; those of a namespace go into the test's own."""

    def send(items, verb="apply"):
        for each in items:
            if "namespace" in each["metadata"]:
                each["metadata"]["namespace"] = namespace.name
        flags = ["--dry-run=server", "--output=name", "-f", "-"]
        if verb == "apply":
            flags += ["--server-side", "--force-conflicts"]
        documents = {"apiVersion": "v1", "kind": "List", "items": items}
        return kubectl(verb, *flags, document=documents).split()

    return send


@pytest.mark.parametrize("folder", ["base/crds", "base/isogloss", "gateway"])
def test_an_api_server_takes_what_a_kustomization_builds(take, kubectl, folder):
    built = list(yaml.safe_load_all(kubectl("kustomize", str(MANIFESTS / folder))))
    assert len(take(built)) == len(built)


def test_an_api_server_takes_what_the_prometheus_operator_is_told(take, kubectl):
    if OPERATOR not in kubectl("get", "crds", "--output=name"):
        pytest.skip('no Prometheus operator: make cluster-up WITH="monitoring"')
    items = objects(MANIFESTS / "components/monitoring/monitoring.yaml")
    assert len(take(items)) == len(items)


def test_an_api_server_takes_roles_for_people(take):
    items = objects(MANIFESTS / "rbac/people.yaml")
    assert len(take(items)) == len(items)


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("jobs/*.yaml")), ids=lambda path: path.stem)
def test_an_api_server_takes_a_job(take, path):
    assert len(take(objects(path), verb="create")) == 1
