"""The gate policy: which Gates guard which move, and every limit they hold.

Its digest is bound into Evidence, so a limit changed after the measurement does not count.
What can be limited is named in `lifecycle.measures`; how its bounds follow from counts is said in
`stats.measures`.
"""

from dataclasses import dataclass, field
from typing import Any, assert_never

from lifecycle.approvals import GATE, ApprovalRule, read_approvals
from lifecycle.behaviour import Behaviour, read_behaviour
from lifecycle.documents import DocumentRefused, Fields
from lifecycle.evidence import EvidenceKind
from lifecycle.explanations import EXPLAINED, ExplanationSample, read_sample
from lifecycle.measures import (
    APART,
    BOOTSTRAPPED,
    DIFFERENCES,
    FEWEST_ROWS,
    LEAST_COVERAGE,
    MEASURES,
    RATES,
    SCORES,
)
from lifecycle.stages import CANARY, Stage, move_name
from lifecycle.training import GATE as IMAGE_GATE
from lifecycle.training import read_training_images

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


def read_policy(document: object) -> GatePolicy:
    """Read a parsed policy file; DocumentRefused names what is wrong with it."""
    fields = Fields(document, "policy")
    fields.choice("kind", {"GatePolicy"})
    policy = GatePolicy(
        name=fields.text("name"),
        version=fields.text("version"),
        evidence_max_age_seconds=fields.number("evidence_max_age_hours", 0.01, 8760) * 3600,
        waivers_allowed=fields.flag("waivers_allowed", default=False),
        gates=tuple(
            _read_gate(Fields(item, f"policy.gates[{index}]"))
            for index, item in enumerate(fields.items("gates"))
        ),
        behaviour=read_behaviour(fields.section("behaviour")) if fields.has("behaviour") else None,
        approvals=read_approvals(fields.items("approvals", ()), GUARDABLE),
        explanations=read_sample(fields.section("explanations", required=False)),
        training_images=read_training_images(fields),
    )
    fields.close()
    _refuse_gaps(policy)
    _refuse_untested(policy)
    return policy


def _read_gate(fields: Fields) -> Gate:
    kind = EvidenceKind(fields.choice("evidence", {kind.value for kind in MEASURES}))
    longest = LONGEST_WAIT_SECONDS
    gate = Gate(
        name=fields.text("name"),
        guards=frozenset(fields.texts("guards")),
        evidence=kind,
        rules=_read_rules(fields, kind),
        alpha=fields.number("alpha", 0.0001, 0.2, 0.05),
        min_n=fields.whole("min_n", 0, 10_000_000, 0),
        min_duration_seconds=fields.number("min_duration_seconds", 0, longest, _default_wait(kind)),
        max_duration_seconds=_read_patience(fields, kind),
        slow_ms=fields.number("slow_ms", 0.1, 600_000, 150),
        load_per_second=fields.number("load_per_second", 0.1, 100_000, 20),
    )
    fields.close()
    _refuse_unknown_guards(gate, fields.path)
    return gate


def _default_wait(kind: EvidenceKind) -> float:
    # A shadow that has not seen a whole day has not seen a whole day's kinds of text.
    return 86400 if kind is EvidenceKind.SHADOW else 0


def _read_patience(fields: Fields, kind: EvidenceKind) -> float | None:
    """A Rollout never waits for good: without a word of the policy a person is asked after days."""
    live = kind in LIVE_KINDS
    if not live and not fields.has("max_duration_seconds"):
        return None
    return fields.number("max_duration_seconds", 0, LONGEST_WAIT_SECONDS, ASKED_AFTER_SECONDS)


def _read_rules(fields: Fields, kind: EvidenceKind) -> tuple[Rule, ...]:
    rules = tuple(
        _read_rule(Fields(item, f"{fields.path}.rules[{index}]"), kind)
        for index, item in enumerate(fields.items("rules"))
    )
    covered = any((rule.measure, rule.slice) == ("coverage", "all") for rule in rules)
    if kind is not EvidenceKind.SHADOW or covered or not rules:
        return rules
    return (*rules, Rule("coverage", "all", AtLeast(LEAST_COVERAGE)))


def _read_rule(fields: Fields, kind: EvidenceKind) -> Rule:
    measure = fields.choice("measure", MEASURES[kind])
    fewest = FEWEST_ROWS if measure in BOOTSTRAPPED else 0
    rule = Rule(
        measure=measure,
        slice=fields.text("slice", "all"),
        limit=_read_limit(fields),
        min_n=fields.whole("min_n", 0, 10_000_000, fewest),
        optional=measure in EXPLAINED and fields.flag("optional", default=False),
    )
    fields.close()
    _refuse_unfit_limit(rule, fields.path)
    return rule


def _read_limit(fields: Fields) -> Limit:
    readers: dict[str, Any] = {"at_least": AtLeast, "at_most": AtMost, "margin": NonInferior}
    written = [key for key in readers if fields.has(key)]
    if len(written) != 1:
        raise DocumentRefused(
            f"{fields.path} has {len(written)} limits; "
            "write exactly one of at_least, at_most, margin"
        )
    limit: Limit = readers[written[0]](fields.number(written[0], -1, 1e12))
    return limit


def _refuse_unfit_limit(rule: Rule, path: str) -> None:
    """A limit that cannot be missed (a margin on a score) or reached is a slip of the pen."""
    match rule.limit:
        case NonInferior():
            fits = rule.measure in DIFFERENCES
        case AtLeast():
            fits = rule.measure in SCORES | DIFFERENCES
        case AtMost():
            fits = rule.measure not in SCORES | DIFFERENCES
        case _:
            assert_never(rule.limit)
    if not fits:
        raise DocumentRefused(
            f"{path} has the wrong kind of limit for {rule.measure}; scores take at_least, "
            "differences margin, all else at_most"
        )
    value = rule.limit.margin if isinstance(rule.limit, NonInferior) else rule.limit.value
    if rule.measure in APART and not -1 <= value <= 1:
        raise DocumentRefused(f"{path} limits {rule.measure} to {value:g}; it lies in [-1, 1]")
    if rule.measure in RATES:
        _refuse_unfit_rate(rule.measure, value, path)


def _refuse_unfit_rate(measure: str, value: float, path: str) -> None:
    if measure == "coverage" and value < LEAST_COVERAGE:
        raise DocumentRefused(
            f"{path} limits coverage to {value:g}; under {LEAST_COVERAGE:g} nothing "
            "can PASS, so it must be at least that"
        )
    if not 0 < value < 1:
        raise DocumentRefused(
            f"{path} limits {measure} to {value:g}; it must lie between 0 and 1, both excluded"
        )


def _refuse_unknown_guards(gate: Gate, path: str) -> None:
    unknown = sorted(gate.guards - GUARDABLE)
    if unknown or not gate.guards or not gate.rules:
        raise DocumentRefused(
            f"{path}.guards is {sorted(gate.guards)} with {len(gate.rules)} rules; it needs at "
            f"least one rule and one of {', '.join(sorted(GUARDABLE))}"
        )


def _refuse_gaps(policy: GatePolicy) -> None:
    names = [gate.name for gate in policy.gates]
    if len(set(names)) != len(names):
        raise DocumentRefused("policy.gates has a name twice; every Gate needs its own")
    for taken in {GATE, IMAGE_GATE} & set(names):
        raise DocumentRefused(
            f"policy.gates names a Gate {taken!r}, which has a meaning; rename it"
        )
    for move in sorted(GUARDABLE):
        if not policy.guarding(move):
            raise DocumentRefused(f"policy.gates has no Gate that guards {move}; add one")


def _refuse_untested(policy: GatePolicy) -> None:
    held = policy.behaviour or Behaviour(0)
    tests = {
        "minimum_functionality_failures": held.cases,
        "invariance_failures": held.invariance,
        "direction_failures": held.direction,
    }
    limited = {rule.measure for gate in policy.gates for rule in gate.rules}
    for measure in sorted(limited & set(tests)):
        if not tests[measure]:
            kind = measure.removesuffix("_failures")
            raise DocumentRefused(
                f"policy.gates limits {measure}, but policy.behaviour has no {kind} tests; add one"
            )
