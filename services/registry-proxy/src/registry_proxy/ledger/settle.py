"""Deciding on a model's newest state and writing the outcome, whoever else writes meanwhile.

A decision is a function of the state; it is taken again when somebody wrote in between. One
that is refused is written down as a denial before the refusal goes to the caller. A stale
sequence is not: the caller merely has to look again, and nothing was decided.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lifecycle.approvals import ApprovalRefused
from lifecycle.evidence import EvidenceRefused
from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState
from lifecycle.transitions import StaleSequence, TransitionRefused
from lifecycle.verdicts import Outcome, Verdict
from registry_proxy.ledger.ports import HeadMoved, Ledger, LedgerUnavailable, Page

_TRIES = 1000
"""Every lost try means that another writer finished; so many in a row mean a fault."""

Told = TypeVar("Told")


class GateRefused(Exception):
    """The Gates did not PASS; `verdict` says why, `evidence` names what it rests on."""

    def __init__(self, verdict: Verdict, evidence: tuple[str, ...]) -> None:
        texts = [r.text for r in verdict.reasons if r.outcome is not Outcome.PASS and not r.waived]
        super().__init__("; ".join(texts) or "no Gate passed")
        self.verdict = verdict
        self.evidence = evidence


class WaiverRefused(Exception):
    """This waiver must not be given; the text says why."""


@dataclass(frozen=True)
class Asked:
    """Who asked for what of which model; `what` stands in a denial's body."""

    model: str
    actor: str
    what: Mapping[str, Any]


@dataclass(frozen=True)
class Decision(Generic[Told]):
    """What to write (None: nothing) and what to answer."""

    told: Told
    page: Page | None = None


@dataclass(frozen=True)
class Settled(Generic[Told]):
    """The model's state after the request, and the answer."""

    state: ModelState
    told: Told


def settle(
    ledger: Ledger, asked: Asked, decide: Callable[[ModelState], Decision[Told]]
) -> Settled[Told]:
    """Decide on the newest state and write; re-raises what `decide` refused, once recorded."""
    for _ in range(_TRIES):
        state = ledger.state(asked.model)
        try:
            return _settle_once(ledger, asked, state, decide)
        except HeadMoved:
            continue
    raise LedgerUnavailable(f"{asked.model} is written to without pause; try again later")


def denial(
    asked: Asked, reason: str, verdict: Verdict | None = None, evidence: tuple[str, ...] = ()
) -> Draft:
    """Draft the entry that records a refusal."""
    body = {
        "asked": asked.what,
        "reason": reason,
        "verdict": verdict.to_dict() if verdict else None,
        "evidence": evidence,
    }
    return Draft(EntryKind.DENIED, asked.actor, body)


_RECORDED = (ApprovalRefused, EvidenceRefused, GateRefused, TransitionRefused, WaiverRefused)


def _settle_once(
    ledger: Ledger, asked: Asked, state: ModelState, decide: Callable[[ModelState], Decision[Told]]
) -> Settled[Told]:
    try:
        decision = decide(state)
    except StaleSequence:
        raise
    except _RECORDED as refused:
        ledger.append(asked.model, state.seq, Page((_denial_of(asked, refused),)))
        raise
    if decision.page is not None:
        state = ledger.append(asked.model, state.seq, decision.page)
    return Settled(state, decision.told)


def _denial_of(asked: Asked, refused: Exception) -> Draft:
    if isinstance(refused, GateRefused):
        return denial(asked, str(refused), refused.verdict, refused.evidence)
    return denial(asked, str(refused))
