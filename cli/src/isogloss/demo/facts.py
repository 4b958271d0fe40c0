"""What the ledger and the load generator's result files say happened. Pure.

A version's last answer is looked for in every run, because whoever answers after a Rollback
must be found wherever it was counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SCORE = "macro_f1 on slice all: "
_ENDED = frozenset({"SUCCEEDED", "ABORTED", "ROLLED_BACK"})


@dataclass(frozen=True)
class RolloutEnd:
    """How a Rollout came out: its Candidate, the Phase it ended in, and why."""

    rollout: str
    candidate: str
    phase: str
    reason: str


@dataclass(frozen=True)
class RollbackFact:
    """One Rollback by the ledger, with what users saw of it by the load generator.

    `left` is the version that users must not get any more; the milliseconds count from the
    decision, None where that version answered nobody. `last_sent` is of the last request that it
    answered: one sent before the decision may still be answered after it.
    """

    left: str
    to: str
    reason: str
    automatic: bool
    decided_at: float
    effective_milliseconds: float | None
    last_answer_milliseconds: float | None
    last_sent_milliseconds: float | None
    failed_requests: int


def rollout_ends(entries: Sequence[Mapping[str, Any]]) -> list[RolloutEnd]:
    """Return how every Rollout ended, in the order in which they began."""
    ends: dict[str, RolloutEnd] = {}
    for entry in entries:
        rollout = entry["body"].get("rollout")
        if entry["kind"] == "rollout" and rollout["phase"] in _ENDED:
            reason = str(entry["body"].get("reason") or "")
            ended = RolloutEnd(rollout["id"], rollout["candidate"], rollout["phase"], reason)
            ends[rollout["id"]] = ended
        if entry["kind"] == "rollback" and rollout["id"] not in ends:
            reason = str(entry["body"]["reason"])
            ended = RolloutEnd(rollout["id"], rollout["candidate"], rollout["phase"], reason)
            ends[rollout["id"]] = ended
    return list(ends.values())


def rollbacks(
    entries: Sequence[Mapping[str, Any]], loads: Mapping[str, Mapping[str, Any]]
) -> list[RollbackFact]:
    """Return every Rollback of users' traffic, oldest first."""
    facts = []
    left = ""
    for entry in entries:
        body = entry["body"]
        if entry["kind"] == "transition" and body["after"] == "ARCHIVED":
            left = body["digest"]
        if entry["kind"] == "rollback":
            facts.append(_rollback(left, body, loads))
    return facts


def offline_scores(entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the ledger's Verdicts say of each version's macro-F1 on the whole test set."""
    scores = {}
    for entry in entries:
        body = entry["body"]
        verdict = body.get("verdict") if entry["kind"] == "transition" else None
        for reason in verdict["reasons"] if verdict else ():
            if reason["text"].startswith(_SCORE):
                scores[body["digest"]] = reason["text"].removeprefix(_SCORE).partition(", must")[0]
    return scores


def _rollback(
    left: str, body: Mapping[str, Any], loads: Mapping[str, Mapping[str, Any]]
) -> RollbackFact:
    facts, marker = body["facts"], body["marker"] or {}
    decided_at = facts["decided_at"]
    answers = [counts["versions"][left] for counts in loads.values() if left in counts["versions"]]
    running = [
        counts["failures"]
        for counts in loads.values()
        if counts["started_at"] <= decided_at <= counts["written_at"]
    ]
    return RollbackFact(
        left=left,
        to=body["rollout"]["baseline"],
        reason=body["reason"],
        automatic=bool(marker.get("automatic")),
        decided_at=decided_at,
        effective_milliseconds=facts["milliseconds"],
        last_answer_milliseconds=_after(decided_at, answers, "last_answer_at"),
        last_sent_milliseconds=_after(decided_at, answers, "last_sent_at"),
        failed_requests=sum(running),
    )


def _after(decided_at: float, answers: Sequence[Mapping[str, Any]], key: str) -> float | None:
    times = [held[key] for held in answers if held[key] is not None]
    return round((max(times) - decided_at) * 1000, 1) if times else None
