"""Which Evidence counts for a version today, and why other Evidence does not.

Beyond lifecycle's rules (right signer, same bytes, not expired): not older than the policy
allows, and, where it comes from live traffic, newer than the Rollout's present step. Answers
counted under another weight say nothing of this one.
"""

from dataclasses import dataclass
from math import isfinite

from lifecycle.evidence import EvidenceKind, EvidenceRefused, refuse_unfit
from lifecycle.model_states import ModelState, VersionState
from lifecycle.policies import GatePolicy
from lifecycle.rollouts import ACTIVE_PHASES
from lifecycle.subjects import subjects_of
from registry_proxy.ledger.judge import NoEvidence
from registry_proxy.ledger.registry import Registry
from registry_proxy.ledger.trust import SignedEvidence

_LIVE = frozenset({EvidenceKind.SHADOW, EvidenceKind.CANARY})
_CLOCK_SKEW_SECONDS = 60.0
"""Clocks of two machines in one cluster rarely differ by more; Evidence from later is a fault."""


@dataclass(frozen=True)
class Standard:
    """What Evidence about one version is held against."""

    state: ModelState
    version: VersionState
    policy: GatePolicy
    now: float


def refuse_useless(standard: Standard, signed: SignedEvidence) -> None:
    """Raise EvidenceRefused unless the Evidence counts for this version now."""
    evidence = signed.evidence
    if evidence.model != standard.state.name:
        raise EvidenceRefused(
            f"the evidence is about model {evidence.model!r}, not {standard.state.name}"
        )
    _refuse_untimely(standard, signed)
    needed = subjects_of(standard.state, standard.version)
    refuse_unfit(evidence, needed, signed.role, standard.now)


def newest_usable(
    registry: Registry, standard: Standard, kind: EvidenceKind
) -> SignedEvidence | NoEvidence:
    """Return the newest stored Evidence of a kind that counts, or why the last one does not."""
    digests = standard.version.evidence.get(kind, ())
    newest: SignedEvidence | None = None
    why: str | None = None
    for digest in digests:
        try:
            signed = registry.evidence(digest)
            refuse_useless(standard, signed)
        except EvidenceRefused as refused:
            why = str(refused)
        else:
            if newest is None or signed.evidence.produced_at >= newest.evidence.produced_at:
                newest = signed
    return newest or NoEvidence(why)


def _refuse_untimely(standard: Standard, signed: SignedEvidence) -> None:
    evidence, now = signed.evidence, standard.now
    if not (isfinite(evidence.produced_at) and isfinite(evidence.expires_at)):
        raise EvidenceRefused("produced_at and expires_at must be seconds since the epoch")
    if evidence.produced_at > now + _CLOCK_SKEW_SECONDS:
        raise EvidenceRefused("the evidence was produced in the future; check its maker's clock")
    if now - evidence.produced_at > standard.policy.evidence_max_age_seconds:
        raise EvidenceRefused(
            f"{evidence.kind} evidence is older than the policy's "
            f"{standard.policy.evidence_max_age_seconds / 3600:g} hours; measure again"
        )
    if evidence.kind in _LIVE and evidence.produced_at < _step_began(standard):
        raise EvidenceRefused(
            f"{evidence.kind} evidence is from before this step of the rollout; measure again"
        )


def _step_began(standard: Standard) -> float:
    rollout = standard.state.rollout
    if rollout is None or rollout.phase not in ACTIVE_PHASES:
        return 0.0
    return rollout.phase_since if rollout.candidate == standard.version.digest else 0.0
