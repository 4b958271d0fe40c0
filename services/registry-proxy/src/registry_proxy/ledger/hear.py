"""Hearing what speaks for one move of one version: policy, Evidence, waivers, then the Verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lifecycle.approvals import approvals_needed, approvers, weigh_approvals
from lifecycle.evidence import Evidence, EvidenceKind, EvidenceRefused
from lifecycle.model_states import ModelState, VersionState
from lifecycle.policies import Gate, GatePolicy
from lifecycle.rollouts import Phase
from lifecycle.stages import CANARY, Stage, move_name
from lifecycle.training import weigh_image
from lifecycle.transitions import with_waivers
from lifecycle.verdicts import Outcome, Reason, Verdict, conclude
from registry_proxy.ledger.judge import NoEvidence, judge
from registry_proxy.ledger.registry import Registry
from registry_proxy.ledger.trust import SignedEvidence
from registry_proxy.ledger.usable import Standard, newest_usable, refuse_useless


@dataclass(frozen=True)
class Move:
    """One version on its way: the state it is in and the move's name in the policy."""

    state: ModelState
    version: VersionState
    name: str


@dataclass(frozen=True)
class Hearing:
    """The Verdict on a move, the digests of the Evidence that it rests on, and what was heard:
    the Gates, and what was found of each kind of Evidence.
    """

    verdict: Verdict
    evidence: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    found: Mapping[EvidenceKind, Evidence | NoEvidence] = field(default_factory=dict)


def hear(registry: Registry, move: Move, offered: SignedEvidence | None = None) -> Hearing:
    """Judge `move` on stored Evidence and on what is `offered` with the request.

    Raises EvidenceRefused when the offered Evidence does not count for this move.
    """
    policy = registry.policy(move.state)
    if policy is None:
        text = f"{move.state.name} has no gate policy; put one, then measure under it"
        return Hearing(conclude([Reason("policy", Outcome.INCONCLUSIVE, text)]))
    gates = policy.guarding(move.name)
    if not gates:
        return Hearing(unguarded(move.name))
    standard = Standard(move.state, move.version, policy, registry.clock())
    found = _gather(registry, standard, gates)
    if offered is not None:
        refuse_useless(standard, offered)
        _refuse_unasked(move.name, set(found), offered.evidence.kind)
        found[offered.evidence.kind] = offered
    heard = {kind: _content(each) for kind, each in found.items()}
    verdict = verdict_on(policy, move, heard, standard.now)
    used = (each.digest for each in found.values() if isinstance(each, SignedEvidence))
    return Hearing(verdict, tuple(sorted(used)), gates, heard)


def verdict_on(
    policy: GatePolicy, move: Move, heard: Mapping[EvidenceKind, Evidence | NoEvidence], now: float
) -> Verdict:
    """Judge `move` on what was heard, with the waivers and approvals that count at `now`."""
    verdict = judge(policy.guarding(move.name), heard)
    if policy.waivers_allowed:
        verdict = with_waivers(verdict, move.version.waivers, move.name, now)
    return _with_approvals(policy, move, _with_image(policy, move, verdict))


def next_move(state: ModelState, version: VersionState) -> str | None:
    """Name the version's next move forward, None where there is none."""
    match version.stage:
        case Stage.REGISTERED | Stage.ARCHIVED:
            return move_name(version.stage, Stage.STAGING)
        case Stage.STAGING:
            held = state.holding(Stage.PRODUCTION)
            return move_name(Stage.STAGING, Stage.SHADOW if held else Stage.PRODUCTION)
        case Stage.SHADOW:
            opened = state.rollout is not None and state.rollout.phase is Phase.CANARY
            return move_name(Stage.SHADOW, Stage.PRODUCTION if opened else CANARY)
        case Stage.PRODUCTION:
            return None


def unguarded(move: str) -> Verdict:
    """Return the PASS of a step that no Gate guards."""
    return conclude([Reason("ledger", Outcome.PASS, f"no Gate guards {move}")])


def _with_image(policy: GatePolicy, move: Move, verdict: Verdict) -> Verdict:
    """Add what is known of the training image, where the policy lists some; it is not waived."""
    if not policy.training_images:
        return verdict
    training = move.version.metadata.get("training", {})
    return conclude([*verdict.reasons, weigh_image(policy.training_images, training)])


def _with_approvals(policy: GatePolicy, move: Move, verdict: Verdict) -> Verdict:
    """Add what people say; no waiver stands in for that."""
    needed = approvals_needed(policy.approvals, move.name)
    if not needed:
        return verdict
    version = move.version
    given = approvers(version.approvals, move.name, move.state.policy, version.authors)
    return conclude([*verdict.reasons, weigh_approvals(needed, given, move.name)])


def _gather(
    registry: Registry, standard: Standard, gates: Sequence[Gate]
) -> dict[EvidenceKind, SignedEvidence | NoEvidence]:
    kinds = sorted({gate.evidence for gate in gates})
    return {kind: newest_usable(registry, standard, kind) for kind in kinds}


def _refuse_unasked(move: str, asked: set[EvidenceKind], offered: EvidenceKind) -> None:
    if offered not in asked:
        raise EvidenceRefused(f"{move} rests on {', '.join(sorted(asked))} evidence, not {offered}")


def _content(found: SignedEvidence | NoEvidence) -> Evidence | NoEvidence:
    return found.evidence if isinstance(found, SignedEvidence) else found
