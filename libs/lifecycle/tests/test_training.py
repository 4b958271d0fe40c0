import pytest

from lifecycle.documents import DocumentRefused, Fields
from lifecycle.training import read_training_images, weigh_image
from lifecycle.verdicts import Outcome

IMAGE = "sha256:" + "a" * 64


def test_images_are_named_by_digest_only():
    assert read_training_images(Fields({"training_images": [IMAGE]}, "policy")) == (IMAGE,)
    with pytest.raises(DocumentRefused, match="takes digests"):
        read_training_images(Fields({"training_images": ["jobs:latest"]}, "policy"))


def test_an_image_that_is_not_proven_never_passes_and_says_why():
    for training in ({}, {"image": "none", "why": "its pod had a command"}):
        reason = weigh_image([IMAGE], training)
        assert reason.outcome is Outcome.INCONCLUSIVE
    assert "its pod had a command" in reason.text


def test_a_proven_image_passes_where_it_is_listed_and_fails_where_not():
    assert weigh_image([IMAGE], {"image": IMAGE}).outcome is Outcome.PASS
    assert weigh_image(["sha256:" + "b" * 64], {"image": IMAGE}).outcome is Outcome.FAIL
