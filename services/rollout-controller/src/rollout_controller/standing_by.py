"""What a replica that stands by says: what the leading one published, for it alone judges. Pure.

It looks for itself at the ledger, the route and the colours, but asks for no Verdicts and counts
nothing, so that two replicas never give two answers to the same question.
"""

from typing import Any

from rollout_controller.forward import Wait
from rollout_controller.memory import ModelMemory


def stand_by(memory: ModelMemory) -> Wait:
    """Return what the leading replica waits for, as it published it last."""
    for condition in memory.told.get("conditions", ()):
        if condition["type"] == "Progressing":
            return Wait(condition["reason"], condition["message"])
    return Wait("StandsBy", "another replica acts; this one looks and answers")


def told_verdict(memory: ModelMemory) -> dict[str, Any] | None:
    """Return the Verdict that the leading replica published of the Rollout's Phase."""
    outcome = memory.told.get("verdict")
    if outcome is None or not _is_of_today(memory):
        return None
    return {"outcome": outcome, "reasons": list(memory.told.get("verdictReasons", ()))}


def told_canary(memory: ModelMemory) -> dict[str, int]:
    """Return what the leading replica published that it counted."""
    none = {"requests": 0, "errors": 0, "over": 0}
    return dict(memory.told.get("canary", none)) if _is_of_today(memory) else none


def _is_of_today(memory: ModelMemory) -> bool:
    rollout = memory.state.rollout if memory.state else None
    return rollout is not None and memory.told.get("phase") == rollout.phase.value
