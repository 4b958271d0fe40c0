"""What the rollout-controller acts on is the Verdict that the ledger gives of its Evidence."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from lifecycle.digests import canonical_json
from lifecycle.evidence import Subjects
from lifecycle.policy_files import read_policy
from lifecycle.rollouts import Colour, Phase, Rollout
from registry_proxy.ledger.judge import judge
from rollout_controller.judge import (
    canary_evidence,
    canary_gates,
    canary_measurements,
    judge_canary,
)
from rollout_controller.tallies import Counters, begin_tally

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/sentiment/policy.yaml"
COMPARED = [
    {"measure": "error_difference", "at_most": 0.01},
    {"measure": "slow_difference", "at_most": 0.02},
    {"measure": "slow_difference", "slice": "long", "at_most": 0.02},
]


def a_policy(slow_ms):
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    (canary,) = (gate for gate in document["gates"] if gate["name"] == "canary")
    canary["rules"] += COMPARED
    canary["slow_ms"] = slow_ms
    return read_policy(document)


def a_tally(seed):
    draw = np.random.default_rng(seed)
    rollout = Rollout("r", "new", Colour.GREEN, "old", Phase.CANARY, 0, None, 0.0, 0.0)
    tally = begin_tally(rollout, {}, 100.0)
    for requests in (0, int(draw.integers(5000))):
        tally = tally.counting_baseline({"a": counters(draw, requests)})
    return tally.counting(
        {"b": counters(draw, int(draw.integers(3000)))}, 100.0 + int(draw.integers(60))
    )


def counters(draw, requests):
    errors = int(requests * draw.choice((0, 0.01, 0.3)))
    answered = requests - errors
    return Counters(requests, errors, answered, int(answered * draw.choice((0, 0.05, 0.5))))


@pytest.mark.parametrize("slow_ms", [150, 200])
@pytest.mark.parametrize("seed", range(20))
def test_both_services_judge_the_same_counts_to_the_same_bytes(seed, slow_ms):
    tally, gates = a_tally(seed), canary_gates(a_policy(slow_ms))
    measured = canary_measurements(tally, 150)
    evidence = canary_evidence("m", tally, Subjects(*"abcdef"), measured, 3600)

    ours, theirs = judge_canary(gates, measured), judge(gates, {evidence.kind: evidence})

    assert canonical_json(ours.to_dict()) == canonical_json(theirs.to_dict())
