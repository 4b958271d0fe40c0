"""What is asked of the ledger about a Rollout, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.policies import GatePolicy
from lifecycle.rollouts import Marker, Phase, Rollout
from lifecycle.verdicts import Verdict

Envelope = Mapping[str, Any]
"""A DSSE envelope as a JSON object."""


@dataclass(frozen=True)
class HeldPolicy:
    """A gate policy and the digest that Evidence is bound to."""

    digest: str
    policy: GatePolicy


@dataclass(frozen=True)
class Advance:
    """A request to move a Rollout forward, decided at `expected_seq`; with `judge_only` a PASS
    moves nothing.
    """

    phase: Phase
    step: int
    expected_seq: int
    evidence: Envelope | None = None
    judge_only: bool = False


@dataclass(frozen=True)
class Advanced:
    """What the ledger answered: `verdict` is None where no Gate guards the move."""

    advanced: bool
    verdict: Verdict | None
    rollout: Rollout
    seq: int


@dataclass(frozen=True)
class Ending:
    """How a Rollout ended; `marker` None where no route had to be changed for it."""

    phase: Phase
    reason: str
    marker: Marker | None = None
    verdict: Verdict | None = None
    facts: Mapping[str, Any] | None = None
    evidence: Envelope | None = None
