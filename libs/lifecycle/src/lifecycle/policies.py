"""The gate policy: which Gates guard which move, and every limit they hold.

Its digest is bound into Evidence, so a limit changed after the measurement does not count.
What can be limited is named in `lifecycle.measures`; how its bounds follow from counts is said in
`stats.measures`. How a policy is read from its file is `lifecycle.policy_files`'s.
"""

from dataclasses import dataclass, field

from lifecycle.approvals import ApprovalRule
from lifecycle.behaviour import Behaviour
from lifecycle.evidence import EvidenceKind
from lifecycle.explanations import EXPLAINED, ExplanationSample
from lifecycle.stages import CANARY, Stage, move_name

GUARDABLE = frozenset(
    {
        move_name(Stage.REGISTERED, Stage.STAGING),
        move_name(Stage.ARCHIVED, Stage.STAGING),
        move_name(Stage.STAGING, Stage.PRODUCTION),
        move_name(Stage.SHADOW, CANARY),
        move_name(Stage.SHADOW, Stage.PRODUCTION),
    }
)
"""Every move that brings a version nearer to users' answers must be guarded. STAGING->SHADOW
is not here: a shadow's answers reach nobody, and it was just let into STAGING."""

LIVE_KINDS = frozenset({EvidenceKind.SHADOW, EvidenceKind.CANARY})
"""Evidence from live traffic, which a Rollout waits for while it comes in."""
LONGEST_WAIT_SECONDS = 90 * 86400
ASKED_AFTER_SECONDS = 7 * 86400
"""After a week a shadow or a step of a canary has seen every day's kind of traffic."""


@dataclass(frozen=True)
class AtLeast:
    """PASS when the lower bound reaches `value`, FAIL when the upper bound is under it."""

    value: float


@dataclass(frozen=True)
class AtMost:
    """PASS when the upper bound keeps to `value`, FAIL when the lower bound is over it."""

    value: float


@dataclass(frozen=True)
class NonInferior:
    """PASS when the lower bound of a difference is over -`margin`; FAIL when the upper
    bound is under 0 (shown to be worse at all).
    """

    margin: float


Limit = AtLeast | AtMost | NonInferior


@dataclass(frozen=True)
class Rule:
    """One limit on one measure of one Slice, of which fewer than `min_n` rows settle nothing.

    An `optional` rule on explanations PASSes for a version that gives none.
    """

    measure: str
    slice: str
    limit: Limit
    min_n: int = 0
    optional: bool = False


@dataclass(frozen=True)
class Gate:
    """A named set of rules on one kind of Evidence; `alpha` is each bound's error rate.

    A PASS also needs `min_n` observations over `min_duration_seconds`; after
    `max_duration_seconds` an INCONCLUSIVE Gate of a Rollout asks a person (None: it never does).
    `slow_ms` is what `slow_ratio` and `slow_difference` count as slow; latency Evidence is
    measured at `load_per_second`, the open-loop rate that the version must bear.
    """

    name: str
    guards: frozenset[str]
    evidence: EvidenceKind
    rules: tuple[Rule, ...]
    alpha: float
    min_n: int
    min_duration_seconds: float
    max_duration_seconds: float | None
    slow_ms: float
    load_per_second: float


@dataclass(frozen=True)
class GatePolicy:
    """All Gates of one model."""

    name: str
    version: str
    evidence_max_age_seconds: float
    waivers_allowed: bool
    gates: tuple[Gate, ...]
    behaviour: Behaviour | None = None
    approvals: tuple[ApprovalRule, ...] = ()
    explanations: ExplanationSample = field(default_factory=ExplanationSample)
    training_images: tuple[str, ...] = ()

    @property
    def asks_for_explanations(self) -> bool:
        """Whether any Gate limits a measure of explanations."""
        return any(rule.measure in EXPLAINED for gate in self.gates for rule in gate.rules)

    def guarding(self, move: str) -> tuple[Gate, ...]:
        """Return the Gates that guard `move` (`SHADOW->CANARY`), in the policy's order."""
        return tuple(gate for gate in self.gates if move in gate.guards)
