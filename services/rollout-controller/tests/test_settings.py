"""Settings of the two platforms: each needs its own, and says which are missing."""

import pytest
from pydantic import ValidationError

from rollout_controller.settings import RolloutControllerSettings

BOTH = {
    "registry_url": "http://isogloss-registry-proxy:8100",
    "drift_monitor_url": "http://isogloss-drift-monitor:8200",
    "token_file": "token",
    "signing_key_file": "key.pem",
    "state_dir": "state",
}
CLUSTER = {
    "platform": "kubernetes",
    "callers": "kubernetes",
    "namespace": "isogloss",
    "instance": "isogloss",
    "pod_name": "isogloss-rollout-controller-0",
    "gateway": "models/models",
}


def test_in_a_cluster_nothing_of_one_machine_is_needed():
    settings = RolloutControllerSettings(**BOTH, **CLUSTER)

    assert (settings.envoy_dir, settings.callers_file) == (None, None)


@pytest.mark.parametrize("name", ["namespace", "instance", "pod_name", "gateway"])
def test_what_a_cluster_needs_is_named_by_its_variable(name):
    cluster = {**CLUSTER, "callers": "file", "callers_file": "callers.json"}
    del cluster[name]
    with pytest.raises(ValidationError) as refused:
        RolloutControllerSettings(**BOTH, **cluster)

    assert "ISOGLOSS_ROLLOUT_CONTROLLER_PLATFORM=kubernetes these are needed" in str(refused.value)
    assert f"ISOGLOSS_ROLLOUT_CONTROLLER_{name.upper()}" in str(refused.value)


def test_on_one_machine_all_that_is_missing_is_named_at_once():
    with pytest.raises(ValidationError) as refused:
        RolloutControllerSettings(**BOTH, callers_file="callers.json", envoy_dir="envoy")
    said = str(refused.value)

    assert "ISOGLOSS_ROLLOUT_CONTROLLER_SERVED_MODELS_DIR" in said
    assert "ISOGLOSS_ROLLOUT_CONTROLLER_RUN_DIR" in said
    assert "ISOGLOSS_ROLLOUT_CONTROLLER_ENVOY_DIR" not in said
    assert "ISOGLOSS_ROLLOUT_CONTROLLER_POD_NAME" not in said


@pytest.mark.parametrize("gateway", ["models", "a/b/c", "/models", "models/"])
def test_a_gateway_is_a_namespace_and_a_name(gateway):
    with pytest.raises(ValidationError, match="gateway"):
        RolloutControllerSettings(**BOTH, **{**CLUSTER, "gateway": gateway})
