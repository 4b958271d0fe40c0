"""Giving a waiver: a named person stands in for one Gate's PASS on one move of one digest.

It never reaches into PRODUCTION and ends within a week. The ledger's keeper signs it as Evidence
of its own kind, because people hold no signing key.
"""

from dataclasses import dataclass

from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.evidence import PAYLOAD_TYPE, SIGNERS, Evidence, EvidenceKind
from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState, VersionState
from lifecycle.stages import Stage
from lifecycle.subjects import subjects_of
from lifecycle.transitions import require_version
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, WaiverRefused, settle

LONGEST_SECONDS = 7 * 86400
"""A reason that is a week old needs to be given again."""


@dataclass(frozen=True)
class WaiverRequest:
    """What is asked for; `digest` names the version, `move` the move (`REGISTERED->STAGING`)."""

    digest: str
    gate: str
    move: str
    reason: str
    expires_at: float


def waive(registry: Registry, asked: Asked, request: WaiverRequest) -> Settled[str]:
    """Record a waiver and return its Evidence's digest; raises WaiverRefused."""

    def decide(state: ModelState) -> Decision[str]:
        version = require_version(known(state), request.digest)
        _refuse_forbidden(registry, state, request)
        content = _sign(registry, asked.actor, state, version, request)
        digest = sha256_digest(content)
        body = {
            "digest": version.digest,
            "gate": request.gate,
            "move": request.move,
            "reason": request.reason,
            "expires_at": request.expires_at,
            "evidence": digest,
        }
        page = Page((Draft(EntryKind.WAIVER, asked.actor, body),), (content,))
        return Decision(digest, page)

    return settle(registry.ledger, asked, decide)


def _refuse_forbidden(registry: Registry, state: ModelState, request: WaiverRequest) -> None:
    policy = registry.policy(state)
    if policy is None or not policy.waivers_allowed:
        raise WaiverRefused(f"the gate policy of {state.name} does not allow waivers")
    if request.move.endswith(Stage.PRODUCTION):
        raise WaiverRefused("a move into PRODUCTION cannot be waived; meet its Gates")
    guarding = [gate.name for gate in policy.guarding(request.move)]
    if request.gate not in guarding:
        names = ", ".join(guarding) or "no Gate"
        raise WaiverRefused(f"{request.move} is guarded by {names}, not by {request.gate!r}")
    seconds = request.expires_at - registry.clock()
    if not 0 < seconds <= LONGEST_SECONDS:
        raise WaiverRefused(
            f"the waiver would end in {seconds:.0f} s; it must end within "
            f"{LONGEST_SECONDS // 86400} days from now"
        )


def _sign(
    registry: Registry,
    actor: str,
    state: ModelState,
    version: VersionState,
    request: WaiverRequest,
) -> bytes:
    evidence = Evidence(
        kind=EvidenceKind.WAIVER,
        model=state.name,
        subjects=subjects_of(state, version),
        measurements=(),
        producer=SIGNERS[EvidenceKind.WAIVER],
        produced_at=registry.clock(),
        expires_at=request.expires_at,
        details={
            "by": actor,
            "gate": request.gate,
            "move": request.move,
            "reason": request.reason,
        },
    )
    return canonical_json(registry.signer.sign(PAYLOAD_TYPE, evidence.to_bytes()))
