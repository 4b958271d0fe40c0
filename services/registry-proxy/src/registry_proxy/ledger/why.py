"""Answering "why not promoted?": the next move's Verdict, and what would change it."""

from dataclasses import dataclass, replace

from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from registry_proxy.ledger.hear import Move, hear, next_move
from registry_proxy.ledger.registry import Registry

_CHANGED_BY = {
    Outcome.FAIL: "only another version, or another policy and new evidence, changes this",
    Outcome.INCONCLUSIVE: "new evidence with more observations can settle this",
}


@dataclass(frozen=True)
class Why:
    """The next move forward (None: there is none) and how it would be answered now."""

    move: str | None
    verdict: Verdict
    seq: int


def why(registry: Registry, model: str, reference: str) -> Why:
    """Judge the version's next move without recording anything; raises Unknown."""
    version = registry.version(model, reference)
    state = registry.model(model)
    move = next_move(state, version)
    if move is None:
        text = f"version {version.number} is in PRODUCTION; there is nothing further"
        return Why(None, conclude([Reason("ledger", Outcome.PASS, text)]), state.seq)
    verdict = hear(registry, Move(state, version, move)).verdict
    reasons = tuple(_with_advice(reason) for reason in verdict.reasons)
    return Why(move, replace(verdict, reasons=reasons), state.seq)


def _with_advice(reason: Reason) -> Reason:
    if reason.waived:
        return replace(reason, text=f"{reason.text}; waived, so it does not count")
    advice = _CHANGED_BY.get(reason.outcome)
    return replace(reason, text=f"{reason.text}; {advice}") if advice else reason
