import pytest

from lifecycle.documents import DocumentRefused
from lifecycle.served_models import read_served_model


def a_document(**spec):
    return {
        "apiVersion": "isogloss.dev/v1alpha1",
        "kind": "ServedModel",
        "metadata": {"name": "sentiment"},
        "spec": spec,
    }


def test_a_served_model_has_sensible_defaults():
    model = read_served_model(a_document())

    assert model.canary_weights == (10, 50)
    assert model.mirror_percent == 100
    assert model.objective.latency_milliseconds == 150


@pytest.mark.parametrize("weights", [[], [50, 10], [10, 10], [0], [100], ["a"], [True]])
def test_canary_weights_must_rise_between_1_and_99(weights):
    with pytest.raises(DocumentRefused, match=r"spec\.canaryWeights"):
        read_served_model(a_document(canaryWeights=weights))


def test_a_limit_of_a_gate_does_not_belong_here():
    with pytest.raises(DocumentRefused, match="unknown field 'minF1'"):
        read_served_model(a_document(minF1=0.8))


def test_the_version_that_serves_does_not_belong_here():
    with pytest.raises(DocumentRefused, match="unknown field 'version'"):
        read_served_model(a_document(version=3))
