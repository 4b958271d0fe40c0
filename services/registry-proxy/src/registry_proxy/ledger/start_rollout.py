"""Starting a Rollout: the Candidate takes the colour that does not serve."""

from dataclasses import dataclass

from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import ACTIVE_PHASES, Colour, Phase, Rollout
from lifecycle.stages import Stage
from lifecycle.transitions import TransitionRefused, refuse_stale, require_version
from registry_proxy.ledger.drafts import Cause, moved, rolled
from registry_proxy.ledger.ports import Page
from registry_proxy.ledger.registry import Registry, known
from registry_proxy.ledger.settle import Asked, Decision, Settled, settle


@dataclass(frozen=True)
class StartRequest:
    """Which version is offered, and the head that the caller decided on."""

    digest: str
    expected_seq: int


def start_rollout(registry: Registry, asked: Asked, request: StartRequest) -> Settled[Rollout]:
    """Open a Rollout in PENDING; with a PRODUCTION to compare with, the version becomes SHADOW.

    Raises TransitionRefused, Unknown.
    """

    def decide(state: ModelState) -> Decision[Rollout]:
        refuse_stale(known(state), request.expected_seq)
        version = require_version(state, request.digest)
        _refuse_second(state)
        if version.stage is not Stage.STAGING:
            raise TransitionRefused(
                f"version {version.number} is {version.stage}; only one in STAGING can be rolled "
                "out, promote it first"
            )
        rollout = _open(state, version, registry.clock())
        cause = Cause(asked.actor, "rollout started")
        drafts = [rolled(rollout, cause)]
        if rollout.baseline:
            drafts.insert(0, moved(version, Stage.SHADOW, cause))
        return Decision(rollout, Page(tuple(drafts)))

    return settle(registry.ledger, asked, decide)


def _refuse_second(state: ModelState) -> None:
    rollout = state.rollout
    if rollout and rollout.phase in ACTIVE_PHASES:
        raise TransitionRefused(
            f"rollout {rollout.id} of {state.name} is {rollout.phase}; end it first"
        )


def _open(state: ModelState, version: VersionState, now: float) -> Rollout:
    held = state.holding(Stage.PRODUCTION)
    serving = state.rollout.serving_colour if state.rollout and held else None
    return Rollout(
        # The head's number is this model's alone and never comes again.
        id=f"r{state.seq}",
        candidate=version.digest,
        candidate_colour=serving.other if serving else Colour.BLUE,
        baseline=held.digest if held else None,
        phase=Phase.PENDING,
        step=-1,
        paused=None,
        started_at=now,
        phase_since=now,
    )
