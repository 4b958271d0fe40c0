"""Taking in signed Evidence: it counts for a version today, or it is refused and that recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.evidence import EvidenceKind, EvidenceRefused
from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState, VersionState
from registry_proxy.ledger.counts import refuse_unreadable
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, settle
from registry_proxy.ledger.trust import SignedEvidence
from registry_proxy.ledger.usable import Standard, refuse_useless


@dataclass(frozen=True)
class Submitted:
    """The Evidence's digest; `new` unless the very same envelope was taken in before."""

    evidence: str
    new: bool


def submit_evidence(
    registry: Registry, asked: Asked, envelope: Mapping[str, Any]
) -> Settled[Submitted]:
    """Store Evidence for the version it names. A replay changes nothing, whatever it says.

    Raises EvidenceRefused, which is recorded, and Unknown.
    """

    def decide(state: ModelState) -> Decision[Submitted]:
        known(state)
        signed = open_readable(registry, envelope)
        version = version_measured(state, signed)
        if is_recorded(version, signed):
            return Decision(Submitted(signed.digest, new=False))
        refuse_unfit_now(registry, state, version, signed)
        page = Page((evidence_draft(asked.actor, signed),), (signed.content,))
        return Decision(Submitted(signed.digest, new=True), page)

    return settle(registry.ledger, asked, decide)


def open_readable(registry: Registry, envelope: Mapping[str, Any]) -> SignedEvidence:
    """Open an envelope whose every Measurement can be judged; raises EvidenceRefused."""
    signed = registry.trusted().open(envelope)
    if signed.evidence.kind is EvidenceKind.WAIVER:
        raise EvidenceRefused("a waiver is not handed in as evidence; ask for one by its reason")
    refuse_unreadable(signed.evidence)
    return signed


def version_measured(state: ModelState, signed: SignedEvidence) -> VersionState:
    """Find the version that the Evidence is about; raises EvidenceRefused."""
    version = state.find(signed.evidence.subjects.model)
    if version is None:
        raise EvidenceRefused(
            f"{state.name} has no version {signed.evidence.subjects.model}; register it first"
        )
    return version


def refuse_unfit_now(
    registry: Registry, state: ModelState, version: VersionState, signed: SignedEvidence
) -> None:
    """Raise EvidenceRefused unless the Evidence counts for the version today."""
    policy = registry.policy(state)
    if policy is None:
        raise EvidenceRefused(f"{state.name} has no gate policy to measure under; put one")
    refuse_useless(Standard(state, version, policy, registry.clock()), signed)


def is_recorded(version: VersionState, signed: SignedEvidence) -> bool:
    """Tell whether this very envelope is in the ledger already."""
    return signed.digest in version.evidence.get(signed.evidence.kind, ())


def evidence_draft(actor: str, signed: SignedEvidence) -> Draft:
    """Draft the entry that names the Evidence."""
    body = {
        "digest": signed.evidence.subjects.model,
        "kind": signed.evidence.kind,
        "evidence": signed.digest,
        "producer": signed.evidence.producer,
    }
    return Draft(EntryKind.EVIDENCE, actor, body)
