"""Which texts go into the next pass: never too many, never none, and nobody for ever last."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.passes import LikeLengths

UNITS, LONGEST_WAIT = 256, 1.0


@dataclass(frozen=True, eq=False)
class Part:
    length: int
    since: float


class Encoder:
    labels = ("negative", "positive")
    family = "fake"
    inline = False
    units_together = UNITS


PASSES = LikeLengths(Encoder(), LONGEST_WAIT)
LENGTHS = st.integers(2, 300)
WAITING = st.lists(st.tuples(LENGTHS, st.floats(0, 5)), min_size=1, max_size=80).map(
    lambda rows: [Part(length, since) for length, since in sorted(rows, key=lambda row: row[1])]
)


def padded(chosen):
    return len(chosen) * max(part.length for part in chosen)


@given(WAITING, st.floats(5, 10))
def test_a_pass_is_of_what_waits_each_once_and_never_over_the_budget(waiting, now):
    chosen = PASSES.choose(waiting, now)
    assert chosen
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(waiting)
    assert len(chosen) == 1 or padded(chosen) <= UNITS


@given(WAITING, st.floats(5, 10))
def test_what_waited_too_long_goes_before_what_is_shorter(waiting, now):
    oldest = min(waiting, key=lambda part: part.since)
    if now - oldest.since >= LONGEST_WAIT:
        assert oldest in PASSES.choose(waiting, now)


@given(WAITING)
def test_while_nothing_waited_too_long_the_shortest_go_first(waiting):
    young = [Part(part.length, 9.5) for part in waiting]
    chosen = PASSES.choose(young, 10.0)
    left = [part.length for part in young if part not in set(chosen)]
    assert max(part.length for part in chosen) <= min(left, default=300)
    if left:  # the next one would not have fitted
        assert (len(chosen) + 1) * min(left) > UNITS


@given(
    st.lists(st.lists(LENGTHS, max_size=6), min_size=1, max_size=40),
    st.floats(0.001, 0.3),
)
def test_nobody_waits_for_more_passes_than_there_were_older_ones(arrivals, pass_seconds):
    """Shorter ones keep coming, as many as the engine takes; the oldest is served all the same."""
    waiting, now = [], 0.0
    while arrivals or waiting:
        waiting += [Part(length, now) for length in (arrivals.pop() if arrivals else [])]
        if waiting:
            overdue = [part for part in waiting if now - part.since >= LONGEST_WAIT]
            chosen = PASSES.choose(waiting, now)
            assert not overdue or min(overdue, key=lambda part: part.since) in chosen
            waiting = [part for part in waiting if part not in set(chosen)]
        now += pass_seconds


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([300, 10, 12], [10, 12]),
        ([300], [300]),
        ([16] * 20, [16] * 16),
        ([100, 100, 100], [100, 100]),
        ([5, 200, 6], [5, 6]),
    ],
    ids=["a long one goes later", "too long, alone", "many short", "two fit", "no filling up"],
)
def test_examples(lengths, expected):
    waiting = [Part(length, 9.9) for length in lengths]
    assert [part.length for part in PASSES.choose(waiting, 10.0)] == expected


def test_with_one_that_waited_too_long_go_those_that_cost_no_more():
    waiting = [Part(60, 0.0), Part(61, 9.9), Part(50, 9.9), Part(8, 9.9), Part(59, 9.9)]
    chosen = PASSES.choose(waiting, 10.0)
    assert [part.length for part in chosen] == [60, 59, 50, 8]
