"""What is known of a version's accuracy, and whether harm can be ruled out."""

from dataclasses import replace

import pytest

from drift_monitor.quality import Quality
from stats.bounds import Bounds

OPEN = Bounds(200, 0.83, 0.88, 0.93)
FINE, POOR = Bounds(1000, 0.87, 0.89, 0.91), Bounds(1000, 0.81, 0.83, 0.84)


def quality(estimated=FINE, novelty=0.01, measured=None, *, degraded=False):
    return Quality("all", 0.0, 60.0, 0.85, novelty, estimated, measured, degraded)


@pytest.mark.parametrize(
    ("known", "may_be_harmed"),
    [
        (quality(), False),
        (quality(estimated=POOR), True),
        (quality(novelty=0.08), True),
        (quality(estimated=POOR, novelty=0.08, measured=FINE), False),
        (quality(measured=POOR), True),
        (quality(measured=OPEN), False),
        (quality(novelty=0.08, measured=OPEN), True),
        (quality(measured=FINE, degraded=True), True),
    ],
    ids=[
        "fine",
        "estimated poor",
        "novel",
        "measured fine",
        "measured poor",
        "few labels",
        "few labels of novel texts",
        "degraded",
    ],
)
def test_harm_is_ruled_out_by_labels_or_else_by_a_trusted_estimate(known, may_be_harmed):
    assert known.may_be_harmed is may_be_harmed


def test_labels_of_an_earlier_time_rule_nothing_out():
    labelled_before = replace(quality(novelty=0.08, measured=FINE), start=50.0, measured_until=40.0)
    assert labelled_before.may_be_harmed
    assert not replace(labelled_before, measured_until=60.0).may_be_harmed


def test_an_estimate_on_novel_texts_is_not_trusted():
    assert quality().trusted
    assert not quality(novelty=0.08).trusted
