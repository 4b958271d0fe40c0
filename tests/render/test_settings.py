"""What the chart tells each process is what that reads: no setting is missing or misspelt."""

import pytest

from drift_monitor.settings import DriftMonitorSettings
from inference.settings import InferenceSettings
from registry_proxy.settings import RegistryProxySettings
from rollout_controller.settings import RolloutControllerSettings
from servicekit.settings import env_names, load_settings
from training_jobs.settings import TrainingSettings

READERS = [
    ("isogloss-registry-proxy", "registry-proxy", RegistryProxySettings),
    ("isogloss-drift-monitor", "drift-monitor", DriftMonitorSettings),
    ("isogloss-rollout-controller", "rollout-controller", RolloutControllerSettings),
    ("isogloss-train", "job", TrainingSettings),
    ("isogloss-evaluate", "job", TrainingSettings),
    ("isogloss-evaluate", "candidate", InferenceSettings),
    ("isogloss-evaluate", "baseline", InferenceSettings),
]


def environment(container, name="sentiment"):
    """Return a container's variables, with what Kubernetes and KServe fill in."""
    filled = {"ISOGLOSS_INFERENCE_MODEL": name}
    return {
        each["name"]: filled.get(each["name"], each.get("value", "pod-1"))
        for each in container["env"]
    }


def read(monkeypatch, variables, settings):
    for name in env_names(settings).values():
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(settings)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: "/".join(reader[:2]))
def test_each_process_takes_the_settings_that_the_chart_gives(
    chart, everything, monkeypatch, reader
):
    workload, container, settings = reader
    pod = chart.pods(everything)[workload]
    (told,) = [each for each in chart.containers(pod) if each["name"] == container]
    read(monkeypatch, environment(told), settings)


def test_a_predictor_takes_the_settings_that_its_runtime_gives(chart, everything, monkeypatch):
    runtime = chart.of_kind(everything, "ServingRuntime")["isogloss"]["spec"]
    (container,) = runtime["containers"]
    settings = read(monkeypatch, environment(container), InferenceSettings)
    assert [port["containerPort"] for port in container["ports"]] == [
        settings.port,
        settings.metrics_port,
    ]


def test_every_service_listens_where_its_service_leads(chart, everything, monkeypatch):
    for workload, name, settings in READERS[:3]:
        (container,) = chart.pods(everything)[workload]["containers"]
        told = read(monkeypatch, environment(container), settings)
        (port,) = chart.of_kind(everything, "Service")[workload]["spec"]["ports"]
        assert told.port == port["port"] == container["ports"][0]["containerPort"]
        assert told.callers == "kubernetes"
        assert name in workload
