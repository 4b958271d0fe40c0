"""Rules, alerts, dashboards and runbooks as they lie in monitoring/, and what services export."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from drift_monitor.metrics import Metrics as DriftMonitorMetrics
from inference.metrics import Metrics as InferenceMetrics
from registry_proxy.metrics import DoorMetrics, EventMetrics, RegistryMetrics
from rollout_controller.metrics import Meters

MONITORING = Path(__file__).resolve().parents[2] / "monitoring"
SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
    "gauge": ("",),
}
# What a scrape adds: the operator's labels, and colour from the pod's label isogloss.dev/colour.
SCRAPED = {"namespace", "job", "instance", "pod", "colour"}


def read_rules(folder):
    for path in sorted((MONITORING / folder).glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (
                SimpleNamespace(file=path.name, **{"labels": {}} | r) for r in group["rules"]
            )


def exported_by(registry):
    """Return each series that a registry can show, with the names of its labels."""
    series = {}
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            for family in collector.describe():
                for suffix in SUFFIXES[family.type]:
                    extra = {"le"} if suffix == "_bucket" else set()
                    series[family.name + suffix] = {*collector._labelnames} | extra
            continue
        for family in collector.collect():
            for sample in family.samples:
                series.setdefault(sample.name, set()).update(sample.labels)
    return series


@pytest.fixture(scope="session")
def exported():
    inference = InferenceMetrics(150)
    inference.observe_version("sentiment", "sha256:0", "tfidf_linear")
    registry_proxy = RegistryMetrics()
    EventMetrics(registry_proxy.registry)
    DoorMetrics(registry_proxy.registry)
    others = (DriftMonitorMetrics(), registry_proxy, Meters())
    found = {"up": set()}
    for registry in (inference.registry, *(each.registry for each in others)):
        found |= exported_by(registry)
    return {name: labels | SCRAPED for name, labels in found.items()}


@pytest.fixture(scope="session")
def recorded():
    return {rule.record: rule for rule in read_rules("rules")}


@pytest.fixture(scope="session")
def alerts():
    return list(read_rules("alerts"))


@pytest.fixture(scope="session")
def promtool_tests():
    files = sorted((MONITORING / "tests").glob("*.test.yaml"))
    return [test for path in files for test in yaml.safe_load(path.read_text())["tests"]]


@pytest.fixture(scope="session")
def dashboards():
    return {
        path.name: json.loads(path.read_text()) for path in MONITORING.glob("dashboards/*.json")
    }


@pytest.fixture(scope="session")
def runbooks():
    return {path.stem: path.read_text() for path in MONITORING.glob("runbooks/*.md")}


@pytest.fixture(scope="session")
def panels(dashboards):
    """All panels with something to show."""
    every = [panel for board in dashboards.values() for panel in board["panels"]]
    return [panel for panel in every if panel["type"] != "row"]


@pytest.fixture(scope="session")
def series_in():
    """Return the names of all series in an expression."""
    recorded_name, raw = r"\b\w+:isogloss_\w+:\w+\b", r"\b(?:isogloss|process)_\w+\b|\bup\b"
    return lambda expr: set(re.findall(rf"{recorded_name}|{raw}", expr))


@pytest.fixture(scope="session")
def labels_in():
    """Return the names of all labels that an expression selects, groups or joins by."""

    def find(expr):
        selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expr)
        lists = re.findall(r"\b(?:by|on|without|group_left)\s*\(([^)]*)\)", expr)
        return {*selected, *(name.strip() for each in lists for name in each.split(","))} - {""}

    return find
