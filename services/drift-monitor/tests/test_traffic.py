"""What somebody who plans a Rollout asks: how much traffic there is, and how noisy a version is."""

import pytest

from drift_monitor.noise import Noise, Repeats

BASELINE = "sha256:" + "b" * 64


@pytest.fixture
def repeats(kit, traffic):
    """Count labels by (text, answer) rows of one version; tell what came twice."""

    def count(rows, since=0.0, **columns):
        texts, labels = zip(*rows, strict=True)
        document = traffic().document(len(rows), fingerprint=list(texts), **columns)
        document["columns"]["label"] = list(labels)
        kit.count(document)
        with kit.begin() as transaction:
            transaction.answers.unpack_held("sentiment", BASELINE)
            return transaction.answers.repeats("sentiment", BASELINE, since)

    return count


def test_the_first_two_answers_to_a_text_are_compared(repeats):
    rows = [("a", 0), ("b", 1), ("a", 1), ("b", 1), ("c", 0), ("a", 0)]

    assert repeats(rows) == Repeats(texts=6, unique=3, twice=2, differing=1)


def test_what_cannot_be_told_from_others_or_was_not_answered_is_no_repeat(repeats):
    rows = [("", 0), ("", 1), ("a", 0), ("a", 1)]

    found = repeats(rows, outcome=["ok", "ok", "ok", "error"])
    assert found == Repeats(texts=1, unique=1, twice=0, differing=0)


def test_older_answers_are_not_of_this_run(repeats):
    assert repeats([("a", 0), ("a", 1)], since=2000.0).texts == 0


def test_the_noise_of_a_version_is_kept(kit):
    noise = Noise("sentiment", BASELINE, 400, 8, measured_at=1000.0)
    with kit.begin() as transaction:
        transaction.registered.put_noise(noise)
    kit.restart()

    with kit.store.read() as transaction:
        assert transaction.registered.noise("sentiment", BASELINE) == noise
        assert transaction.registered.noise("topic", BASELINE) is None
    assert noise.bounds().lower < 0.02 < noise.bounds().upper
