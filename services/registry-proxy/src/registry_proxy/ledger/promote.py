"""Moving a version by a person's request: into STAGING through its Gates, or to ARCHIVED.

SHADOW and PRODUCTION are reached by a Rollout only, and what a Rollout or users still need is
not archived here, because the route would go on sending requests to it.
"""

from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import ACTIVE_PHASES
from lifecycle.stages import Stage, move_name
from lifecycle.transitions import (
    BY_ROLLOUT_ONLY,
    Transition,
    TransitionRefused,
    refuse_illegal,
    refuse_stale,
)
from lifecycle.verdicts import Outcome, Verdict
from registry_proxy.ledger.drafts import Cause, moved
from registry_proxy.ledger.hear import Hearing, Move, hear, unguarded
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, GateRefused, Settled, settle


def promote(registry: Registry, asked: Asked, transition: Transition) -> Settled[Verdict]:
    """Move the version and return the Verdict. Raises TransitionRefused, GateRefused, Unknown."""

    def decide(state: ModelState) -> Decision[Verdict]:
        refuse_stale(known(state), transition.expected_seq)
        if transition.to in BY_ROLLOUT_ONLY:
            raise TransitionRefused(f"{transition.to} is reached by a rollout only; start one")
        version = refuse_illegal(state, transition)
        _refuse_needed(state, version)
        hearing = _hear(registry, state, version, transition.to)
        if hearing.verdict.outcome is not Outcome.PASS:
            raise GateRefused(hearing.verdict, hearing.evidence)
        cause = Cause(asked.actor, "asked for", hearing)
        return Decision(hearing.verdict, Page((moved(version, transition.to, cause),)))

    return settle(registry.ledger, asked, decide)


def _refuse_needed(state: ModelState, version: VersionState) -> None:
    rollout = state.rollout
    if rollout and rollout.phase in ACTIVE_PHASES and rollout.candidate == version.digest:
        raise TransitionRefused(
            f"version {version.number} is the candidate of rollout {rollout.id}; end that first"
        )
    if version.stage is Stage.PRODUCTION:
        raise TransitionRefused(
            f"version {version.number} is in PRODUCTION; users get its answers until a rollout "
            "or a rollback replaces it"
        )


def _hear(registry: Registry, state: ModelState, version: VersionState, to: Stage) -> Hearing:
    name = move_name(version.stage, to)
    if to is Stage.ARCHIVED:
        return Hearing(unguarded(name))
    return hear(registry, Move(state, version, name))
