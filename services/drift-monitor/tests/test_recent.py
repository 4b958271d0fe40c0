from dataclasses import replace

import pytest

from drift_monitor.attest import Known
from drift_monitor.mirrored import Span
from drift_monitor.pairings import Pairing
from drift_monitor.recent import Recent
from drift_monitor.tallies import Tallies, Tally

PAIRING = Pairing("sentiment", "r1", "sha256:b", "sha256:c", since=1000.0)
KNOWN = Known(PAIRING, Tallies(Span(1000.0, None, 0.0, 5.0), Tally("all"), (), ({}, {})), None)
KEY = ("sentiment", "r1")


@pytest.mark.parametrize(
    ("cost", "age", "found"),
    [
        (0.0, 0.0, False),
        (0.5, 4.9, True),
        (0.5, 5.1, False),
        (9.0, 31.0, False),
        (0.5, -1.0, False),
    ],
    ids=["free", "as old as ten times its cost", "older", "too old", "the clock was set back"],
)
def test_counts_do_for_as_long_as_they_were_dear(cost, age, found):
    recent = Recent()
    recent.keep(KEY, KNOWN, began=100.0 - cost, now=100.0)

    assert (recent.find(KEY, 100.0 + age) is KNOWN) == found


def test_only_the_last_pairing_of_a_model_is_remembered():
    recent = Recent()
    newer = replace(KNOWN, pairing=replace(PAIRING, rollout="r2"))
    recent.keep(KEY, KNOWN, 99.0, 100.0)
    recent.keep(("sentiment", "r2"), newer, 99.0, 100.0)

    assert recent.find(KEY, 100.0) is None
    assert recent.find(("sentiment", "r2"), 100.0) is newer
