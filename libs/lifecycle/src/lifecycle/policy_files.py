"""Reading a gate policy as people write it: what is misspelt, missing or unfit is refused.

What the fields mean is said in `lifecycle.policies`; the same form as a JSON Schema is
`lifecycle.policy_schema`.
"""

from typing import Any, assert_never

from lifecycle.approvals import GATE, read_approvals
from lifecycle.behaviour import Behaviour, read_behaviour
from lifecycle.documents import DocumentRefused, Fields
from lifecycle.evidence import EvidenceKind
from lifecycle.explanations import EXPLAINED, read_sample
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
from lifecycle.policies import (
    ASKED_AFTER_SECONDS,
    GUARDABLE,
    LIVE_KINDS,
    LONGEST_WAIT_SECONDS,
    AtLeast,
    AtMost,
    Gate,
    GatePolicy,
    Limit,
    NonInferior,
    Rule,
)
from lifecycle.training import GATE as IMAGE_GATE
from lifecycle.training import read_training_images


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
