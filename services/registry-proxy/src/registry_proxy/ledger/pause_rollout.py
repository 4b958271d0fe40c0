"""Pausing a Rollout with a reason, and resuming it: the Phase stays, no step is taken."""

from dataclasses import dataclass, replace

from lifecycle.model_states import ModelState
from lifecycle.rollouts import Rollout
from lifecycle.transitions import refuse_stale
from registry_proxy.ledger.advance_rollout import require_active
from registry_proxy.ledger.drafts import Cause, rolled
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, settle


@dataclass(frozen=True)
class PauseRequest:
    """Whether the Rollout shall be held or go on, and why."""

    rollout: str
    reason: str
    expected_seq: int
    paused: bool


def pause_rollout(registry: Registry, asked: Asked, request: PauseRequest) -> Settled[Rollout]:
    """Hold the Rollout or let it go on; a no-op when it does so already.

    Raises TransitionRefused, Unknown.
    """

    def decide(state: ModelState) -> Decision[Rollout]:
        refuse_stale(known(state), request.expected_seq)
        current = require_active(state, request.rollout)
        marked = replace(current, paused=request.reason if request.paused else None)
        if marked == current:
            return Decision(current)
        return Decision(marked, Page((rolled(marked, Cause(asked.actor, request.reason)),)))

    return settle(registry.ledger, asked, decide)
