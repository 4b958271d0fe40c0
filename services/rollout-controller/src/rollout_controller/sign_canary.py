"""Signed canary Evidence: the counts of the step that a Rollout is in, over our name."""

from lifecycle.evidence import PAYLOAD_TYPE
from lifecycle.subjects import subjects_of
from rollout_controller.judge import canary_evidence, canary_measurements
from rollout_controller.ledger_moves import Envelope
from rollout_controller.memory import ModelMemory
from rollout_controller.ports import Sign


def signed_canary(sign: Sign, memory: ModelMemory) -> Envelope | None:
    """Return signed canary Evidence of the step that the Rollout is in; None without counts."""
    state, tally, held = memory.state, memory.notes.tally, memory.policy
    if state is None or state.rollout is None or tally is None or held is None:
        return None
    version = state.find(state.rollout.candidate)
    if version is None or not tally.belongs_to(state.rollout):
        return None
    measured = canary_measurements(tally, memory.served.objective.latency_milliseconds)
    age = held.policy.evidence_max_age_seconds
    subjects = subjects_of(state, version)
    evidence = canary_evidence(memory.served.name, tally, subjects, measured, age)
    return sign(PAYLOAD_TYPE, evidence.to_bytes())
