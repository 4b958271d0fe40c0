import pytest

from lifecycle.capacity import Resources, Scale
from lifecycle.documents import DocumentRefused
from lifecycle.served_models import read_served_model


def a_document(name="sentiment", **spec):
    return {
        "apiVersion": "isogloss.dev/v1alpha1",
        "kind": "ServedModel",
        "metadata": {"name": name},
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


def test_a_name_leaves_room_for_what_its_predictors_are_called():
    longest = "a" * 42
    assert read_served_model(a_document(longest)).name == longest
    assert len(f"isvc.{longest}-green-predictor") == 63
    with pytest.raises(DocumentRefused, match=r"metadata\.name is .*at most 42 characters"):
        read_served_model(a_document(longest + "a"))


def test_a_limit_of_a_gate_does_not_belong_here():
    with pytest.raises(DocumentRefused, match="unknown field 'minF1'"):
        read_served_model(a_document(minF1=0.8))


def test_the_version_that_serves_does_not_belong_here():
    with pytest.raises(DocumentRefused, match="unknown field 'version'"):
        read_served_model(a_document(version=3))


def test_without_autoscaling_there_are_always_as_many_predictors_as_replicas():
    assert read_served_model(a_document()).scale == Scale(1, 1)
    assert read_served_model(a_document(replicas=3)).scale == Scale(3, 3)


def test_autoscaling_names_bounds_and_a_target_and_goes_before_replicas():
    autoscaling = {"class": "hpa", "minReplicas": 2, "maxReplicas": 5}
    model = read_served_model(a_document(replicas=9, autoscaling=autoscaling))

    assert model.scale == Scale(2, 5, "hpa", cpu_percent=80)


@pytest.mark.parametrize(
    ("autoscaling", "said"),
    [
        ({"class": "vpa", "maxReplicas": 2}, "class is 'vpa'; it must be one of hpa, keda"),
        ({"class": "hpa"}, "maxReplicas is missing"),
        ({"class": "hpa", "minReplicas": 0, "maxReplicas": 2}, "minReplicas is 0"),
        ({"class": "keda", "minReplicas": 3, "maxReplicas": 2}, "maxReplicas is 2"),
        ({"class": "hpa", "maxReplicas": 2, "targetCPUPercent": 101}, "between 1 and 100"),
        ({"class": "hpa", "maxReplicas": 2, "metrics": []}, "unknown field 'metrics'"),
    ],
)
def test_autoscaling_that_could_not_scale_is_refused(autoscaling, said):
    with pytest.raises(DocumentRefused, match=rf"spec\.autoscaling.*{said}"):
        read_served_model(a_document(autoscaling=autoscaling))


def test_resources_are_taken_as_they_are_written():
    resources = {"requests": {"cpu": "250m", "memory": "1.5Gi"}, "limits": {"memory": "2Gi"}}
    model = read_served_model(a_document(resources=resources))

    assert model.resources == Resources(resources["requests"], resources["limits"])
    assert read_served_model(a_document()).resources == Resources()


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"requests": {"cpu": "half"}}, "requests.cpu is 'half'; it must be an amount"),
        ({"requests": {"cpu": 1}}, "a non-empty string"),
        ({"limits": {"memory": "0Mi"}}, "above zero"),
        ({"limits": {"gpu": "1"}}, "unknown field 'gpu'"),
        ({"requests": {"memory": "1Gi"}, "limits": {"memory": "1000M"}}, "at most the limit"),
    ],
)
def test_resources_that_no_cluster_could_give_are_refused(resources, said):
    with pytest.raises(DocumentRefused, match=rf"spec\.resources.*{said}"):
        read_served_model(a_document(resources=resources))
