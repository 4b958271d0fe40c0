"""When a Rollout is given up without asking anybody. Pure.

While users get the Candidate's answers its health alone decides, so neither the registry nor
the drift-monitor needs to be up; before that, the registry's FAIL or a Candidate that never loads.
"""

from dataclasses import dataclass

from lifecycle.rollouts import ACTIVE_PHASES, NOTHING_TO_SERVE, SPLIT_PHASES, Phase, Rollout
from lifecycle.verdicts import Outcome, Verdict
from rollout_controller.observed import Observed

_UNSEEN = "workloads"
"""The fault of predictors that cannot be seen, which does not mean that they have gone."""


@dataclass(frozen=True)
class ReasonToGoBack:
    """A sentence for the ledger, and the Verdict it rests on, if it rests on one."""

    text: str
    verdict: Verdict | None = None


def reason_to_go_back(seen: Observed) -> ReasonToGoBack | None:
    """Say why the Rollout must be given up now, None while it need not be, or cannot be:
    the Baseline must be ready to take the Candidate's share.
    """
    rollout = seen.rollout
    if rollout is None or rollout.phase not in ACTIVE_PHASES:
        return None
    reason = _failed_gate(seen, rollout) or _health(seen, rollout) or _never_ready(seen, rollout)
    return reason if reason and may_go_back(seen, rollout) else None


def may_go_back(seen: Observed, rollout: Rollout) -> bool:
    """Tell whether the Baseline can take all traffic: it is ready, or has a share and lives.

    A Candidate that takes all of a machine's time makes the Baseline look unready, too.
    """
    if rollout.baseline is None:
        return True
    colour = rollout.baseline_colour
    state = seen.colours.get(colour)
    intent = seen.held.route.intent if seen.held else NOTHING_TO_SERVE
    if intent.weight(colour) == 100:
        return True
    lives = state is not None and state.alive and state.digest == rollout.baseline
    return seen.ready(colour, rollout.baseline) or (lives and intent.weight(colour) > 0)


def _failed_gate(seen: Observed, rollout: Rollout) -> ReasonToGoBack | None:
    asked = seen.asked if seen.asked and seen.asked.belongs_to(rollout) else None
    if asked is None or asked.verdict is None or asked.verdict.outcome is not Outcome.FAIL:
        return None
    return ReasonToGoBack(f"{rollout.phase} gate: {failures(asked.verdict)}", asked.verdict)


def _health(seen: Observed, rollout: Rollout) -> ReasonToGoBack | None:
    if rollout.phase not in SPLIT_PHASES:
        return None
    if seen.health and seen.health.outcome is Outcome.FAIL:
        return ReasonToGoBack(f"{rollout.phase} health: {failures(seen.health)}", seen.health)
    if _UNSEEN in seen.faults:
        return None
    state = seen.colours.get(rollout.candidate_colour)
    if state is None or state.digest != rollout.candidate or not state.alive:
        why = state.reason if state else "it is not there"
        return ReasonToGoBack(f"the Candidate's predictor has gone: {why}")
    if not state.ready and seen.now - state.since > seen.patience.unready:
        seconds = seen.now - state.since
        return ReasonToGoBack(f"the Candidate is not ready for {seconds:.0f} s: {state.reason}")
    return None


def _never_ready(seen: Observed, rollout: Rollout) -> ReasonToGoBack | None:
    waited = seen.now - rollout.phase_since
    if rollout.phase is not Phase.PENDING or waited <= seen.patience.load:
        return None
    if _UNSEEN in seen.faults:
        return None
    if seen.ready(rollout.candidate_colour, rollout.candidate):
        return None
    state = seen.colours.get(rollout.candidate_colour)
    why = state.reason if state else "nothing is loaded"
    return ReasonToGoBack(f"the Candidate was not ready within {waited:.0f} s: {why}")


def failures(verdict: Verdict) -> str:
    """Join the sentences of a Verdict's FAILs."""
    failed = [r.text for r in verdict.reasons if r.outcome is Outcome.FAIL and not r.waived]
    return "; ".join(failed)
