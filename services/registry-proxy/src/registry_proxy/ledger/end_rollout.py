"""Ending a Rollout: ABORTED before any user's answer, ROLLED_BACK after.

A Rollback has happened when it is told here, so it is recorded, not judged: it needs no
sequence, unfit Evidence does not hold it up, and telling it twice changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.evidence import EvidenceRefused
from lifecycle.ledger import Draft
from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import ACTIVE_PHASES, Marker, Phase, Rollout
from lifecycle.stages import Stage
from lifecycle.transitions import TransitionRefused, require_version
from lifecycle.verdicts import Verdict
from registry_proxy.ledger.drafts import Cause, moved, rolled, rolled_back
from registry_proxy.ledger.hear import Hearing
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, settle
from registry_proxy.ledger.submit_evidence import (
    evidence_draft,
    is_recorded,
    open_readable,
    refuse_unfit_now,
    version_measured,
)

_BEFORE_USERS = frozenset({Phase.PENDING, Phase.SHADOWING, Phase.ABORTED})


@dataclass(frozen=True)
class EndRequest:
    """How it ended and why. `marker` is the route's, where one was written; `facts` is what the
    caller measured; `verdict` and `envelope` are what it acted on.
    """

    rollout: str
    phase: Phase
    reason: str
    marker: Marker | None = None
    verdict: Verdict | None = None
    facts: Mapping[str, Any] | None = None
    envelope: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Kept:
    """The Evidence that came with the request: to be written, already there, or refused."""

    drafts: tuple[Draft, ...] = ()
    documents: tuple[bytes, ...] = ()
    digests: tuple[str, ...] = ()
    refused: str | None = None


def end_rollout(registry: Registry, asked: Asked, request: EndRequest) -> Settled[Rollout]:
    """End the Rollout, or go further back after it. Raises TransitionRefused, Unknown."""

    def decide(state: ModelState) -> Decision[Rollout]:
        current = _require_latest(known(state), request.rollout)
        ended = _ended(state, current, request, registry.clock())
        if replace(ended, phase_since=current.phase_since) == current:
            return Decision(current)
        kept = _keep(registry, asked.actor, state, request.envelope)
        hearing = Hearing(request.verdict, kept.digests) if request.verdict else None
        cause = Cause(asked.actor, request.reason, hearing)
        stages = _stages(state, current, ended, cause)
        drafts = (*kept.drafts, *stages, _entry(ended, cause, request, kept))
        return Decision(ended, Page(drafts, kept.documents))

    return settle(registry.ledger, asked, decide)


def _require_latest(state: ModelState, rollout: str) -> Rollout:
    current = state.rollout
    if current is None or current.id != rollout:
        held = f"its latest is {current.id}" if current else "it has none"
        raise TransitionRefused(f"{state.name} has no rollout {rollout}; {held}")
    return current


def _ended(state: ModelState, current: Rollout, request: EndRequest, now: float) -> Rollout:
    if request.phase is Phase.ABORTED:
        if current.phase not in _BEFORE_USERS:
            raise TransitionRefused(
                f"rollout {current.id} is {current.phase}: users got answers, so roll it back"
            )
        return current.at(Phase.ABORTED, now)
    target = _target(state, current, request.marker)
    marker = request.marker
    return replace(
        current.at(Phase.ROLLED_BACK, now),
        baseline=target.digest,
        candidate_colour=marker.to_colour.other if marker else current.candidate_colour,
    )


def _target(state: ModelState, current: Rollout, marker: Marker | None) -> VersionState:
    """Return the version that users get again."""
    digest = marker.to if marker else current.baseline
    if digest is None:
        raise TransitionRefused(f"rollout {current.id} is a first release: nothing to go back to")
    version = require_version(state, digest)
    if digest not in state.productions:
        raise TransitionRefused(f"version {version.number} was never in PRODUCTION")
    if digest == current.candidate and (_active(current) or version.stage is Stage.PRODUCTION):
        raise TransitionRefused(
            f"version {version.number} is what rollout {current.id} brought; name an earlier one"
        )
    return version


def _active(rollout: Rollout) -> bool:
    return rollout.phase in ACTIVE_PHASES


def _stages(state: ModelState, current: Rollout, ended: Rollout, cause: Cause) -> list[Draft]:
    """Draft the moves: whatever leaves goes first, so that no Stage is ever held twice."""
    back = ended.baseline if ended.phase is Phase.ROLLED_BACK else None
    leaving = {ended.candidate} if _active(current) else set()
    production = state.holding(Stage.PRODUCTION)
    if back and production:
        leaving.add(production.digest)
    drafts = [
        moved(version, Stage.ARCHIVED, cause)
        for version in state.versions
        if version.digest in leaving - {back} and version.stage is not Stage.ARCHIVED
    ]
    target = require_version(state, back) if back else None
    if target and target.stage is not Stage.PRODUCTION:
        drafts.append(moved(target, Stage.PRODUCTION, cause))
    return drafts


def _entry(ended: Rollout, cause: Cause, request: EndRequest, kept: _Kept) -> Draft:
    facts = {
        "facts": request.facts or {},
        "marker": request.marker.to_dict() if request.marker else None,
        "evidence_refused": kept.refused,
    }
    if ended.phase is Phase.ABORTED:
        return rolled(ended, cause, facts)
    return rolled_back(ended, cause, facts)


def _keep(
    registry: Registry, actor: str, state: ModelState, envelope: Mapping[str, Any] | None
) -> _Kept:
    if envelope is None:
        return _Kept()
    try:
        signed = open_readable(registry, envelope)
        version = version_measured(state, signed)
        if is_recorded(version, signed):
            return _Kept(digests=(signed.digest,))
        refuse_unfit_now(registry, state, version, signed)
    except EvidenceRefused as refused:
        return _Kept(refused=str(refused))
    return _Kept((evidence_draft(actor, signed),), (signed.content,), (signed.digest,))
