import pytest
from pydantic import ValidationError

from inference.settings import InferenceSettings

ADDRESS = "isogloss://sentiment@sha256:" + "a" * 64


def settings(**changes):
    return InferenceSettings(**{"model": "sentiment", "artifact": "some/directory"} | changes)


def test_an_address_names_the_digest_and_a_directory_does_not():
    remote = {"registry_url": "http://registry", "token_file": "t", "cache_dir": "c"}

    assert settings(artifact=ADDRESS, **remote).digest == "sha256:" + "a" * 64
    assert settings().digest is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"artifact": "isogloss://sentiment@sha256:abc"}, "must be isogloss://MODEL@sha256"),
        ({"artifact": ADDRESS}, "ISOGLOSS_INFERENCE_REGISTRY_URL is not set"),
        ({"artifact": ADDRESS, "model": "topics"}, "they must be the same"),
        ({"drift_monitor_url": "http://drift"}, "ISOGLOSS_INFERENCE_TOKEN_FILE is not set"),
        (
            {"drift_monitor_url": "http://drift", "token_file": "t"},
            "ISOGLOSS_INFERENCE_FINGERPRINT_KEY_FILE is not set",
        ),
        ({"drift_monitor_url": "drift:8200"}, "String should match pattern"),
        ({"model": "Sentiment"}, "String should match pattern"),
        ({"slices": ("Domain",)}, "'Domain' is no key"),
        ({"queue_limit": 0}, "greater than or equal to 1"),
        ({"port": 70_000}, "less than or equal to 65535"),
        ({"log_level": "loud"}, "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_allowed(changes, said):
    with pytest.raises(ValidationError, match=said):
        settings(**changes)


def test_slices_may_be_written_with_commas(monkeypatch):
    monkeypatch.setenv("ISOGLOSS_INFERENCE_SLICES", "domain,product-category")

    assert settings().slices == ("domain", "product-category")
