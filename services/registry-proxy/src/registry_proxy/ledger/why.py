"""Answering why a version cannot be promoted, and what would change that.

The next move's Verdict as it would be given now, each rule with its numbers and with what would
bring a PASS, and the command to type next. Nothing is recorded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from lifecycle.evidence import Evidence, EvidenceKind
from lifecycle.model_states import ModelState, VersionState
from lifecycle.policies import AtLeast, AtMost, Gate, Limit, NonInferior
from lifecycle.remedies import Finding, remedy, rows_for_a_pass
from lifecycle.stages import Stage, move_name
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from registry_proxy.ledger.hear import Hearing, Move, hear, next_move
from registry_proxy.ledger.judge import weigh_gate
from registry_proxy.ledger.registry import Registry

_CHANGED_BY = {
    Outcome.FAIL: "only another version, or another policy and new evidence, changes this",
    Outcome.INCONCLUSIVE: "new evidence with more observations can settle this",
}
_MEASURED_BY_THE_JOB = frozenset({EvidenceKind.OFFLINE, EvidenceKind.LATENCY})


@dataclass(frozen=True)
class Why:
    """The next move forward (None: there is none), how it would be answered now, on what
    findings, and the command that comes next (None: nothing is to be done).
    """

    stage: Stage
    move: str | None
    verdict: Verdict
    findings: tuple[Finding, ...]
    next: str | None
    seq: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; a bound that is infinite is null."""
        return {
            "stage": self.stage.value,
            "move": self.move,
            "verdict": self.verdict.to_dict(),
            "findings": [_finding_to_dict(finding) for finding in self.findings],
            "next": self.next,
            "seq": self.seq,
        }


def why(registry: Registry, model: str, reference: str) -> Why:
    """Judge the version's next move without recording anything; raises Unknown."""
    version = registry.version(model, reference)
    state = registry.model(model)
    move = next_move(state, version)
    if move is None:
        text = f"version {version.number} is in PRODUCTION; there is nothing further"
        verdict = conclude([Reason("ledger", Outcome.PASS, text)])
        return Why(version.stage, None, verdict, (), None, state.seq)
    hearing = hear(registry, Move(state, version, move))
    reasons = tuple(_with_advice(reason) for reason in hearing.verdict.reasons)
    verdict = replace(hearing.verdict, reasons=reasons)
    findings = tuple(_findings(hearing))
    follows = _next_command(state, version, move, hearing)
    return Why(version.stage, move, verdict, findings, follows, state.seq)


def _findings(hearing: Hearing) -> Iterator[Finding]:
    """Yield a finding for each reason; a Gate's first reasons are of its rules, in their order."""
    gates = {gate.name: gate for gate in hearing.gates}
    seen: dict[str, int] = {}
    for reason in hearing.verdict.reasons:
        place = seen.get(reason.gate, 0)
        seen[reason.gate] = place + 1
        yield _finding(reason, gates.get(reason.gate), place, hearing)


def _finding(reason: Reason, gate: Gate | None, place: int, hearing: Hearing) -> Finding:
    evidence = hearing.found.get(gate.evidence) if gate else None
    if gate is None or not isinstance(evidence, Evidence) or place >= len(gate.rules):
        change = None if reason.waived else _CHANGED_BY.get(reason.outcome)
        return Finding(reason.gate, reason.outcome, reason.text, change=change)
    rule = gate.rules[place]
    bounds = weigh_gate(gate, evidence).get(rule)
    return Finding(
        gate=reason.gate,
        outcome=reason.outcome,
        text=reason.text,
        rule=rule,
        bounds=bounds,
        rows_needed=rows_for_a_pass(rule, bounds) if bounds else None,
        change=None if reason.waived else remedy(reason.outcome, rule, bounds),
    )


def _next_command(
    state: ModelState, version: VersionState, move: str, hearing: Hearing
) -> str | None:
    name = f"{state.name} {version.number}"
    if state.policy is None:
        return "isogloss apply PROJECT"
    if version.stage is Stage.SHADOW:
        return f"isogloss rollout watch {state.name}"
    missing = [kind for kind, held in hearing.found.items() if not isinstance(held, Evidence)]
    if _MEASURED_BY_THE_JOB & set(missing):
        return f"isogloss evaluate {name}"
    if hearing.verdict.outcome is Outcome.PASS:
        to_staging = move in {
            move_name(s, Stage.STAGING) for s in (Stage.REGISTERED, Stage.ARCHIVED)
        }
        return f"isogloss models promote {name}" if to_staging else f"isogloss rollout start {name}"
    if hearing.verdict.outcome is Outcome.FAIL:
        return "isogloss train PROJECT --family FAMILY"
    return "isogloss data check PROJECT  # with more rows in the test set, under a new version"


def _with_advice(reason: Reason) -> Reason:
    if reason.waived:
        return replace(reason, text=f"{reason.text}; waived, so it does not count")
    advice = _CHANGED_BY.get(reason.outcome)
    return replace(reason, text=f"{reason.text}; {advice}") if advice else reason


def _finding_to_dict(finding: Finding) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gate": finding.gate,
        "outcome": finding.outcome.value,
        "text": finding.text,
        "rows_needed": finding.rows_needed,
        "change": finding.change,
    }
    if finding.rule:
        told |= {"measure": finding.rule.measure, "slice": finding.rule.slice}
        told["limit"] = _limit_to_dict(finding.rule.limit)
    if finding.bounds:
        names = ("lower", "point", "upper")
        told |= {name: _finite(getattr(finding.bounds, name)) for name in names}
        told["n"] = finding.bounds.n
    return told


def _limit_to_dict(limit: Limit) -> dict[str, float]:
    match limit:
        case AtLeast(value):
            return {"at_least": value}
        case AtMost(value):
            return {"at_most": value}
        case NonInferior(margin):
            return {"margin": margin}


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
