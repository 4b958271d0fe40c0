"""Recording that a person approves a version's next move, or why that person must not."""

from dataclasses import dataclass

from lifecycle.approvals import ApprovalRefused, approvals_needed, approvers
from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import ModelState, VersionState
from lifecycle.transitions import require_version
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, settle


@dataclass(frozen=True)
class ApprovalRequest:
    """What is approved: the version's digest, the move (`SHADOW->CANARY`), and why."""

    digest: str
    move: str
    reason: str


@dataclass(frozen=True)
class Approved:
    """Who has approved the move by now, and how many must."""

    approvers: tuple[str, ...]
    needed: int


def approve(registry: Registry, asked: Asked, request: ApprovalRequest) -> Settled[Approved]:
    """Record an approval; a person's second one changes nothing.

    Raises ApprovalRefused, which is recorded, TransitionRefused, Unknown.
    """

    def decide(state: ModelState) -> Decision[Approved]:
        version = require_version(known(state), request.digest)
        needed = _needed(registry, state, request.move)
        _refuse_unfit(version, asked.actor, request.move)
        given = approvers(version.approvals, request.move, state.policy, version.authors)
        if asked.actor in given:
            return Decision(Approved(given, needed))
        body = {
            "digest": version.digest,
            "move": request.move,
            "reason": request.reason,
            "policy": state.policy,
        }
        page = Page((Draft(EntryKind.APPROVAL, asked.actor, body),))
        return Decision(Approved((*given, asked.actor), needed), page)

    return settle(registry.ledger, asked, decide)


def _needed(registry: Registry, state: ModelState, move: str) -> int:
    policy = registry.policy(state)
    needed = approvals_needed(policy.approvals, move) if policy else 0
    if not needed:
        raise ApprovalRefused(f"the gate policy of {state.name} asks for no approval of {move}")
    return needed


def _refuse_unfit(version: VersionState, actor: str, move: str) -> None:
    if actor in version.authors:
        raise ApprovalRefused(
            f"{actor} made version {version.number}; somebody else must approve {move}"
        )
    if move.partition("->")[0] != version.stage:
        raise ApprovalRefused(
            f"version {version.number} is {version.stage}; {move} is approved once it can be made"
        )
