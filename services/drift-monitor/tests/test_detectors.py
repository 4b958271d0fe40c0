import numpy as np
import pytest
from safetensors.numpy import save

from drift_monitor.detectors import (
    DETECTORS,
    Sample,
    comparable,
    grid_around,
    naive_cosine,
    null_between,
    resample_null,
    statistics,
)
from drift_monitor.findings import describe_shift
from drift_monitor.ports import ReferenceRefused
from drift_monitor.references import read_reference, rows_of

LABELS = ("negative", "positive")


@pytest.fixture(scope="module")
def reference(reference_bytes):
    return read_reference(reference_bytes, LABELS)


@pytest.fixture(scope="module")
def null(reference):
    return resample_null(reference.sketcher, reference.vectors("all"), 200, seed=1)


@pytest.fixture(scope="module")
def window_of(reference, traffic, batch_of):
    def make(rows=200, **kind):
        drawn = traffic(**kind)
        parts = [
            reference.sketcher.vectors(rows_of(batch_of(drawn.document(min(rows - start, 500)))))
            for start in range(0, rows, 500)
        ]
        return Sample(rows, np.concatenate(parts).mean(axis=0))

    return make


def p_values(reference, null, window):
    accepted = reference.sample("all")
    found = statistics(reference.sketcher, window.n, window.mean, accepted)
    values = comparable(found, window.n, accepted)
    return {d: null_between(null[d], null[d], 0).p_value(values[d]) for d in DETECTORS}


def test_quiet_windows_give_p_values_that_are_rarely_small(reference, null, window_of):
    seen = [p_values(reference, null, window_of(seed=seed)) for seed in range(100, 160)]
    for detector in DETECTORS:
        assert np.mean([p[detector] < 0.05 for p in seen]) <= 0.15
        assert 0.25 < np.mean([p[detector] for p in seen]) < 0.75


@pytest.mark.parametrize(
    ("kind", "detector", "direction", "words"),
    [
        ({"shift": 0.03}, "embedding", "away", "times chance"),
        ({"positive": 0.75}, "label", "towards positive", "share of positive 7"),
        ({"positive": 0.2}, "label", "towards negative", "was"),
        ({"words": 40.0}, "length", "down", "words, was"),
    ],
    ids=["topic", "more positive", "fewer positive", "shorter"],
)
def test_each_kind_of_drift_is_found_by_its_detector_and_said_in_words(  # noqa: PLR0913, PLR0917
    reference, null, window_of, kind, detector, direction, words
):
    window = window_of(seed=7, **kind)
    p = p_values(reference, null, window)
    shift = describe_shift(detector, reference.sketcher, window, reference.sample("all"))

    assert p[detector] < 1e-4
    assert min(p[d] for d in DETECTORS if d != detector) > 1e-4
    assert words in shift.size
    assert shift.direction == direction


def test_a_window_larger_than_the_reference_is_not_taken_for_drift(reference, null, window_of):
    p = p_values(reference, null, window_of(rows=5000, seed=3))
    assert min(p.values()) > 0.001


def test_resampling_ends_when_told_to(reference):
    vectors = reference.vectors("all")
    assert resample_null(reference.sketcher, vectors, 200, 1, keep_going=lambda: False) is None


def test_a_null_between_two_sizes_lies_between_theirs():
    below, above, weight = grid_around(700)
    assert (below, above) == (500, 1000)
    assert 0.4 < weight < 0.6
    assert grid_around(200) == (200, 200, 0.0)
    assert grid_around(10**6) == (10_000, 10_000, 0.0)
    lower, upper = np.arange(100.0), np.arange(100.0) + 10
    assert null_between(lower, upper, 0.5).quantile(0) == 5


def test_the_naive_cosine_is_smaller_in_larger_windows_of_the_same_traffic(reference, window_of):
    accepted = reference.sample("all")
    small, large = (naive_cosine(reference.sketcher, window_of(n), accepted) for n in (20, 1500))
    assert large < small


def test_sums_of_two_halves_are_the_sums_of_the_whole(reference, traffic, batch_of):
    rows = rows_of(batch_of(traffic().document(100)))
    vectors = reference.sketcher.vectors(rows)
    first = np.arange(100) < 30
    halves = [reference.sketcher.vectors(rows.take(part)).sum(axis=0) for part in (first, ~first)]
    np.testing.assert_allclose(sum(halves), vectors.sum(axis=0), atol=1e-9)
    assert vectors.shape == (100, reference.sketcher.width)


def test_length_slices_have_their_own_reference_and_callers_slices_the_whole(reference):
    short, all_rows = reference.sample("short"), reference.sample("all")
    assert short.n < all_rows.n == reference.sample("domain=film").n
    assert len(reference.vectors("short")) == short.n
    assert reference.sample("long") is None  # too few were accepted


def test_a_reference_that_is_not_one_is_refused(traffic, reference_bytes):
    columns = traffic().columns(300)
    wrong = {
        "not a file": b"text",
        "too few": save({k: v[:50] for k, v in columns.items()}),
        "no words": save({k: v for k, v in columns.items() if k != "words"}),
        "not finite": save(columns | {"oov": np.full(300, np.nan, dtype="f4")}),
        "other rows": save(columns | {"oov": columns["oov"][:10]}),
    }
    for raw in wrong.values():
        with pytest.raises(ReferenceRefused):
            read_reference(raw, LABELS)
    with pytest.raises(ReferenceRefused, match="3 labels"):
        read_reference(reference_bytes, ("a", "b", "c"))
