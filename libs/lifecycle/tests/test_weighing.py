from dataclasses import replace

import pytest

from lifecycle.evidence import EvidenceKind
from lifecycle.gates import Observation, decide
from lifecycle.policies import AtLeast, AtMost, Gate, Rule
from lifecycle.verdicts import Outcome
from lifecycle.weighing import Interval, holm_levels, weigh

GATE = Gate(
    name="quality",
    guards=frozenset({"REGISTERED->STAGING"}),
    evidence=EvidenceKind.OFFLINE,
    rules=(),
    alpha=0.05,
    min_n=0,
    min_duration_seconds=0,
    max_duration_seconds=None,
    slow_ms=150,
    load_per_second=20,
)


FLOOR = AtLeast(0.8)


def gate_on(*slices, limit=FLOOR):
    return replace(GATE, rules=tuple(Rule("macro_f1", name, limit) for name in slices))


def bounds_of(half_widths, point=0.7):
    """Bounds around one point, as wide at error rate a as a table says."""

    def at(rule, alpha):
        half = half_widths[rule.slice] * (1 if alpha >= 0.05 else 2)
        return Interval(1000, point - half, point, point + half)

    return at


def claims(*p_values):
    return [lambda alpha, p=p: p <= alpha for p in p_values]


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ((0.01, 0.02, 0.04), [True, True, True]),
        ((0.02, 0.03, 0.04), [False, False, False]),
        ((0.001, 0.03, 0.04), [True, False, False]),
        ((0.04,), [True]),
        ((0.9, 0.001, 0.02), [False, True, True]),
    ],
)
def test_claims_are_made_as_holm_makes_them(p_values, rejected):
    levels = holm_levels(claims(*p_values), 0.05)

    assert [p <= level for p, level in zip(p_values, levels, strict=True)] == rejected


def test_one_slice_under_its_floor_is_not_enough_when_many_were_looked_at():
    alone, many = gate_on("long"), gate_on("long", "short", "films")
    at = bounds_of({"long": 0.06, "short": 0.2, "films": 0.2})

    seen = Observation(1000, 60, has_baseline=True)
    outcomes = [decide(gate, weigh(gate, at), seen).outcome for gate in (alone, many)]
    assert outcomes == [Outcome.FAIL, Outcome.INCONCLUSIVE]


def test_the_whole_is_no_slice():
    gate = gate_on("all", "long", "short")
    bounds = weigh(gate, bounds_of({"all": 0.01, "long": 0.2, "short": 0.2}))

    assert bounds[gate.rules[0]].upper == pytest.approx(0.71)


def test_only_the_side_that_can_fail_is_widened():
    at = bounds_of({"long": 0.1, "short": 0.1})
    floor, ceiling = gate_on("long", "short"), gate_on("long", "short", limit=AtMost(0.8))

    over, under = (weigh(gate, at)[gate.rules[0]] for gate in (floor, ceiling))
    assert (over.lower, over.upper) == pytest.approx((0.6, 0.9))
    assert (under.lower, under.upper) == pytest.approx((0.5, 0.8))


def test_a_rule_without_bounds_is_left_out():
    gate = gate_on("all", "long")

    assert list(
        weigh(gate, lambda rule, _alpha: None if rule.slice == "all" else Interval(1, 0, 0, 0))
    ) == [gate.rules[1]]
