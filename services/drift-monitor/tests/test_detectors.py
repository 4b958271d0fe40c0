import hashlib

import numpy as np
import pytest
from safetensors.numpy import load, save

from drift_monitor.detectors import (
    DETECTORS,
    RESAMPLED,
    Sample,
    comparable,
    cosines,
    counted_p_values,
    most_rows,
    statistics,
)
from drift_monitor.findings import describe_shift
from drift_monitor.ports import ReferenceRefused
from drift_monitor.quiet import Effort, Material, Quiet, simulate_quiet
from drift_monitor.references import read_reference, rows_of
from drift_monitor.sketches import signs_of

LABELS = ("negative", "positive")


@pytest.fixture(scope="module")
def reference(reference_bytes):
    return read_reference(reference_bytes, LABELS)


@pytest.fixture(scope="module")
def material(reference):
    return Material(reference.sketcher, reference.vectors("all"))


@pytest.fixture(scope="module")
def quiet(material):
    return simulate_quiet(material, 1, Effort(windows=2000, paths=20))


@pytest.fixture(scope="module")
def window_of(reference, traffic, batch_of):
    def make(rows=200, columns=None, **kind):
        drawn = traffic(**kind)
        parts = []
        for start in range(0, rows, 500):
            document = drawn.document(min(rows - start, 500), start=start, **(columns or {}))
            parts.append(reference.sketcher.vectors(rows_of(batch_of(document))))
        return Sample(rows, np.concatenate(parts).mean(axis=0, dtype=np.float64))

    return make


def p_values(reference, quiet, window):
    accepted = reference.sample("all")
    found = statistics(reference.sketcher, window.n, window.mean, accepted)
    resampled = quiet.p_values(comparable(found, window.n, accepted.n), window.n)
    counted = counted_p_values(reference.sketcher, window, accepted)
    return {name: float(p) for name, p in (resampled | counted).items()}


def test_quiet_windows_give_p_values_that_are_rarely_small(reference, quiet, window_of):
    seen = [p_values(reference, quiet, window_of(seed=seed)) for seed in range(100, 160)]
    # More than one in twenty: all are compared with the same Reference, which is a draw itself.
    for detector in DETECTORS:
        assert np.mean([p[detector] < 0.05 for p in seen]) <= 0.2
    # With a small Reference they are careful: twice its error is allowed for.
    for detector in RESAMPLED:
        assert 0.25 < np.mean([p[detector] for p in seen]) < 0.9


@pytest.mark.parametrize(
    ("kind", "detector", "direction", "words"),
    [
        ({"shift": 0.03}, "embedding", "away", "times chance"),
        ({"positive": 0.75}, "label", "towards positive", "share of positive 7"),
        ({"positive": 0.2}, "label", "towards negative", "was"),
        ({"words": 40.0}, "length", "down", "words, was"),
        ({"german": 0.4}, "language", "towards de", "share of de"),
        ({"truncated": 0.3}, "truncated", "up", "share of truncated texts"),
    ],
    ids=["topic", "more positive", "fewer positive", "shorter", "language", "truncated"],
)
def test_each_kind_of_drift_is_found_by_its_detector_and_said_in_words(  # noqa: PLR0913, PLR0917
    reference, quiet, window_of, kind, detector, direction, words
):
    window = window_of(seed=7, **kind)
    p = p_values(reference, quiet, window)
    shift = describe_shift(detector, reference.sketcher, window, reference.sample("all"))

    assert p[detector] < 1e-4
    # The scores of a label move with how often it is the answer.
    others = set(DETECTORS) - {detector, "scores"}
    assert min(p[other] for other in others) > 1e-4
    assert words in shift.size
    assert shift.direction == direction


def test_scores_of_a_label_are_found_apart_from_the_labels(reference, quiet, window_of):
    sure = {"label": [1] * 100 + [0] * 100, "scores": [[0.01, 0.99]] * 100 + [[0.6, 0.4]] * 100}
    window = window_of(columns=sure, seed=8)
    p = p_values(reference, quiet, window)
    shift = describe_shift("scores", reference.sketcher, window, reference.sample("all"))
    assert p["scores"] < 1e-4 < p["label"]
    assert "scores of positive" in shift.size


def test_one_text_that_comes_again_and_again_is_found(reference, quiet, window_of):
    names = [hashlib.sha256(bytes([row])).hexdigest()[:32] for row in range(200)]
    flood = window_of(columns={"fingerprint": ["ab" * 16] * 30 + names[30:]}, seed=9)
    shift = describe_shift("repeated", reference.sketcher, flood, reference.sample("all"))
    assert p_values(reference, quiet, flood)["repeated"] < 1e-6
    assert "times on average" in shift.size
    unknown = window_of(columns={"fingerprint": [""] * 200}, seed=9)
    assert p_values(reference, quiet, unknown)["repeated"] > 0.4


def test_empty_texts_are_found(reference, quiet, window_of):
    window = window_of(columns={"words": [0] * 10 + [120] * 190}, seed=10)
    assert p_values(reference, quiet, window)["empty"] < 1e-4


def test_a_window_larger_than_the_reference_is_not_taken_for_drift(reference, quiet, window_of):
    p = p_values(reference, quiet, window_of(rows=5000, seed=3))
    assert min(p.values()) > 0.001


def test_a_tenth_of_the_reference_is_judged_and_never_fewer_than_two_hundred():
    assert [most_rows(n) for n in (500, 3000, 10_000)] == [200, 300, 1000]


def test_resampling_ends_when_told_to(material):
    assert simulate_quiet(material, 1, Effort(500, 5), keep_going=lambda: False) is None


def test_what_is_known_of_quiet_traffic_survives_being_stored(quiet):
    read = Quiet.from_bytes(quiet.to_bytes())
    assert read.to_bytes() == quiet.to_bytes()
    assert read.limits(DETECTORS, 1e-5) == quiet.limits(DETECTORS, 1e-5)


def test_fewer_false_findings_take_a_higher_threshold(quiet):
    rare, often = quiet.limits(DETECTORS, 1e-6), quiet.limits(DETECTORS, 1e-4)
    for name in DETECTORS:
        higher = rare[name].threshold > often[name].threshold
        assert higher or rare[name].allowance > often[name].allowance


def test_p_between_two_sizes_of_window_lies_between_theirs():
    null = {"label": np.arange(100.0)}
    higher = {"label": np.arange(100.0) + 30}
    both = Quiet({200: null, 800: higher}, {})
    value = {"label": np.array(60.0)}
    p = [both.p_values_of_one(value, n)["label"] for n in (200, 400, 800)]
    assert p == pytest.approx([float(both.p_values(value, n)["label"]) for n in (200, 400, 800)])
    assert p[0] < p[1] < p[2]
    assert p[1] == pytest.approx((p[0] * p[2]) ** 0.5)


def test_the_naive_cosine_is_smaller_in_larger_windows_of_the_same_traffic(reference, window_of):
    accepted = reference.sample("all")
    small, large = (
        float(cosines(reference.sketcher, window_of(n).mean, accepted)) for n in (20, 1500)
    )
    assert large < small


def test_sums_of_two_halves_are_the_sums_of_the_whole(reference, traffic, batch_of):
    rows = rows_of(batch_of(traffic().document(100)))
    vectors = reference.sketcher.vectors(rows)
    first = np.arange(100) < 30
    halves = [reference.sketcher.vectors(rows.take(part)).sum(axis=0) for part in (first, ~first)]
    np.testing.assert_allclose(sum(halves), vectors.sum(axis=0), atol=1e-3)
    assert vectors.shape == (100, reference.sketcher.width)


def test_length_slices_have_their_own_reference_and_callers_slices_the_whole(reference):
    short, all_rows = reference.sample("short"), reference.sample("all")
    assert short.n < all_rows.n == reference.sample("domain=film").n
    assert len(reference.vectors("short")) == short.n
    assert reference.sample("long") is None  # too few were accepted


def test_a_reference_that_is_not_one_is_refused(traffic, reference_bytes):
    columns = load(traffic().reference(300))
    named = {"languages": '["de", "en"]'}
    wrong = {
        "not a file": b"text",
        "too few": save({k: v[:50] for k, v in columns.items()}, named),
        "no words": save({k: v for k, v in columns.items() if k != "words"}, named),
        "not finite": save(columns | {"oov": np.full(300, np.nan, dtype="f4")}, named),
        "other rows": save(columns | {"oov": columns["oov"][:10]}, named),
        "no languages": save(columns),
    }
    for raw in wrong.values():
        with pytest.raises(ReferenceRefused):
            read_reference(raw, LABELS)
    with pytest.raises(ReferenceRefused, match="3 labels"):
        read_reference(reference_bytes, ("a", "b", "c"))


@pytest.mark.parametrize("other", ["", "short", "g" * 32, "a " * 16, "\u00e9" * 32, "\u0661" * 32])
def test_what_is_no_fingerprint_has_no_signs_and_spoils_no_others(other):
    known = "80" + "0" * 30
    signs = signs_of([known, other, known])

    assert signs[0].tolist() == [1, *[-1] * 127]
    assert signs[1].tolist() == [0] * 128
    assert (signs[0] == signs[2]).all()
