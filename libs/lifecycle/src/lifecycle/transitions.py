"""Which Transitions may be asked for at all, and what a Verdict means once waivers are read.

These are the ledger's own rules; the Gates' rules are in the policy. Requests that break
them are refused with a TransitionRefused and recorded as a denial.
"""

from dataclasses import dataclass, replace

from lifecycle.model_states import ModelState, VersionState, Waiver
from lifecycle.stages import LEGAL_MOVES, Stage, move_name
from lifecycle.verdicts import Verdict, conclude

BY_ROLLOUT_ONLY = frozenset({Stage.SHADOW, Stage.PRODUCTION})
"""Stages that a version only reaches as part of a Rollout, never by a bare promotion."""


class TransitionRefused(Exception):
    """The move cannot be made from where the version stands; the text says what can."""


class StaleSequence(TransitionRefused):
    """Somebody moved first: the caller's `expected_seq` is not the model's head."""


@dataclass(frozen=True)
class Transition:
    """A request to move one version; `expected_seq` is the head the caller decided on."""

    digest: str
    to: Stage
    expected_seq: int


def refuse_illegal(state: ModelState, transition: Transition) -> VersionState:
    """Return the version to move, or raise TransitionRefused."""
    refuse_stale(state, transition.expected_seq)
    version = require_version(state, transition.digest)
    move = move_name(version.stage, transition.to)
    if (version.stage, transition.to) not in LEGAL_MOVES:
        known = ", ".join(sorted(to for before, to in LEGAL_MOVES if before is version.stage))
        raise TransitionRefused(
            f"version {version.number} of {state.name} cannot go {move}; from "
            f"{version.stage} it can go to {known}"
        )
    if version.stage is Stage.STAGING and transition.to is Stage.PRODUCTION:
        _refuse_second_first(state)
    return version


def refuse_stale(state: ModelState, expected_seq: int) -> None:
    """Raise StaleSequence unless the caller has seen the model's last entry."""
    if expected_seq != state.seq:
        raise StaleSequence(
            f"{state.name} is at sequence {state.seq}, not {expected_seq}: it was changed "
            "meanwhile; read it again and decide again"
        )


def require_version(state: ModelState, reference: str) -> VersionState:
    """Find a version by digest or number, or raise TransitionRefused."""
    version = state.find(reference)
    if version is None:
        raise TransitionRefused(
            f"{state.name} has no version {reference}; it has "
            + (", ".join(str(v.number) for v in state.versions) or "none")
        )
    return version


def with_waivers(verdict: Verdict, waivers: tuple[Waiver, ...], move: str, now: float) -> Verdict:
    """Mark the reasons of waived Gates and conclude again; the outcomes stay as they were.

    Moves into PRODUCTION cannot be waived.
    """
    if move.endswith(Stage.PRODUCTION):
        return verdict
    valid = {w.gate for w in waivers if w.move == move and now < w.expires_at}
    return conclude(replace(r, waived=r.gate in valid) for r in verdict.reasons)


def _refuse_second_first(state: ModelState) -> None:
    held = state.holding(Stage.PRODUCTION)
    if held:
        raise TransitionRefused(
            f"{state.name} already has version {held.number} in PRODUCTION; "
            "start a rollout, so that the new one is compared with it"
        )
