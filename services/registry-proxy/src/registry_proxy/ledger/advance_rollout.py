"""Taking a Rollout one step forward, where the step's Gates PASS.

INCONCLUSIVE leaves no trace, because it is asked again and again while observations come in;
FAIL is recorded. Evidence handed in with the request is stored only when it decides something.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.evidence import EvidenceRefused
from lifecycle.ledger import Draft
from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import ACTIVE_PHASES, Phase, Rollout
from lifecycle.stages import CANARY, Stage, move_name
from lifecycle.transitions import TransitionRefused, refuse_stale, require_version
from lifecycle.verdicts import Outcome, Verdict
from registry_proxy.ledger.drafts import Cause, moved, released, rolled
from registry_proxy.ledger.hear import Hearing, Move, hear, unguarded
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, denial, settle
from registry_proxy.ledger.submit_evidence import evidence_draft, is_recorded, open_readable
from registry_proxy.ledger.trust import SignedEvidence

_TO_CANARY = move_name(Stage.SHADOW, CANARY)
_TO_PRODUCTION = move_name(Stage.SHADOW, Stage.PRODUCTION)
_FIRST = move_name(Stage.STAGING, Stage.PRODUCTION)


@dataclass(frozen=True)
class AdvanceRequest:
    """The step that the caller wants to take, and the head that it decided on. `step` counts
    canary weights from 0 and means nothing in the other phases; with `judge_only` a PASS is told
    and takes no step.
    """

    rollout: str
    phase: Phase
    step: int
    expected_seq: int
    envelope: Mapping[str, Any] | None = None
    judge_only: bool = False


@dataclass(frozen=True)
class Advanced:
    """Whether the step was taken, on which Verdict, and the Rollout as it stands now."""

    advanced: bool
    verdict: Verdict
    rollout: Rollout


def advance_rollout(registry: Registry, asked: Asked, request: AdvanceRequest) -> Settled[Advanced]:
    """Take one step. Raises TransitionRefused, EvidenceRefused, Unknown."""

    def decide(state: ModelState) -> Decision[Advanced]:
        refuse_stale(known(state), request.expected_seq)
        rollout = require_active(state, request.rollout)
        move = _guarded_move(rollout, request)
        candidate = require_version(state, rollout.candidate)
        offered = open_readable(registry, request.envelope) if request.envelope else None
        hearing = _hear(registry, state, candidate, move, offered)
        evidence = _to_keep(asked.actor, candidate, offered)
        verdict = hearing.verdict
        stays = request.judge_only and verdict.outcome is Outcome.PASS
        if stays or verdict.outcome is Outcome.INCONCLUSIVE:
            return Decision(_held(verdict, rollout))
        if verdict.outcome is Outcome.FAIL:
            denied = denial(asked, f"{move} failed its Gates", verdict, hearing.evidence)
            return Decision(
                Advanced(advanced=False, verdict=verdict, rollout=rollout),
                _page(evidence, [denied], offered),
            )
        step = request.step if request.phase is Phase.CANARY else -1
        taken = rollout.at(request.phase, registry.clock(), step)
        drafts = _forward(state, taken, Cause(asked.actor, "its Gates passed", hearing))
        return Decision(
            Advanced(advanced=True, verdict=verdict, rollout=taken),
            _page(evidence, drafts, offered),
        )

    return settle(registry.ledger, asked, decide)


def require_active(state: ModelState, rollout: str) -> Rollout:
    """Return the model's Rollout where it is the one named and under way."""
    current = state.rollout
    if current is None or current.id != rollout:
        held = f"its latest is {current.id}" if current else "it has none"
        raise TransitionRefused(f"{state.name} has no rollout {rollout}; {held}")
    if current.phase not in ACTIVE_PHASES:
        raise TransitionRefused(f"rollout {rollout} has ended {current.phase}; start another")
    return current


def _guarded_move(rollout: Rollout, request: AdvanceRequest) -> str | None:
    """Return the move whose Gates guard this step, None where none does."""
    if rollout.paused:
        raise TransitionRefused(f"rollout {rollout.id} is paused ({rollout.paused}); resume it")
    match (rollout.phase, request.phase):
        case (Phase.PENDING, Phase.SHADOWING) if rollout.baseline:
            return None
        case (Phase.PENDING, Phase.SUCCEEDED) if not rollout.baseline:
            return _FIRST
        case (Phase.SHADOWING, Phase.CANARY) if request.step == 0:
            return _TO_CANARY
        case (Phase.CANARY, Phase.CANARY) if request.step == rollout.step + 1:
            return _TO_PRODUCTION
        case (Phase.CANARY, Phase.BAKING):
            return _TO_PRODUCTION
        case (Phase.BAKING, Phase.SUCCEEDED):
            return None
    raise TransitionRefused(
        f"rollout {rollout.id} is {rollout.phase} at step {rollout.step} and cannot go to "
        f"{request.phase} at step {request.step}"
    )


def _hear(
    registry: Registry,
    state: ModelState,
    candidate: VersionState,
    move: str | None,
    offered: SignedEvidence | None,
) -> Hearing:
    if move:
        return hear(registry, Move(state, candidate, move), offered)
    if offered:
        raise EvidenceRefused("no Gate guards this step; advance without evidence")
    return Hearing(unguarded("this step"))


def _held(verdict: Verdict, rollout: Rollout) -> Advanced:
    return Advanced(advanced=False, verdict=verdict, rollout=rollout)


def _forward(state: ModelState, taken: Rollout, cause: Cause) -> list[Draft]:
    """Draft what a step brings with it, the Stages first."""
    drafts: list[Draft] = []
    candidate = require_version(state, taken.candidate)
    first = taken.phase is Phase.SUCCEEDED and not taken.baseline
    if taken.phase is Phase.BAKING and taken.baseline:
        drafts.append(moved(require_version(state, taken.baseline), Stage.ARCHIVED, cause))
    if taken.phase is Phase.BAKING or first:
        drafts.append(moved(candidate, Stage.PRODUCTION, cause))
    if first or (taken.phase is Phase.CANARY and taken.step == 0):
        drafts.append(released(taken, cause))
    return [*drafts, rolled(taken, cause)]


def _to_keep(actor: str, candidate: VersionState, offered: SignedEvidence | None) -> list[Draft]:
    if offered is None or is_recorded(candidate, offered):
        return []
    return [evidence_draft(actor, offered)]


def _page(evidence: list[Draft], drafts: list[Draft], offered: SignedEvidence | None) -> Page:
    documents = (offered.content,) if offered else ()
    return Page((*evidence, *drafts), documents)
