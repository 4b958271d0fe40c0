"""People's approvals: how many a policy asks for before a move, and whose count.

An approval is for one version, one move and one policy; it lapses when the version moves or the
policy changes, since it was given to what stood there then. Who made a version cannot approve it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lifecycle.documents import DocumentRefused, Fields
from lifecycle.verdicts import Outcome, Reason

GATE = "approvals"
"""The name under which approvals stand in a Verdict; no Gate of a policy may have it."""
AUTHOR_TAG = "isogloss.author"
"""Tag of a run that the registry-proxy sets to who made it, as its token said."""


class ApprovalRefused(Exception):
    """This approval must not be given; the text says why and what to do."""


@dataclass(frozen=True)
class ApprovalRule:
    """So many different people must approve before this move."""

    move: str
    count: int


@dataclass(frozen=True)
class Approval:
    """One person's word for one move under one policy (its digest)."""

    move: str
    by: str
    reason: str
    policy: str


def read_approvals(items: Sequence[object], moves: Iterable[str]) -> tuple[ApprovalRule, ...]:
    """Read a policy's `approvals`; DocumentRefused names what is wrong."""
    rules = []
    for index, item in enumerate(items):
        fields = Fields(item, f"policy.approvals[{index}]")
        rules.append(ApprovalRule(fields.choice("move", set(moves)), fields.whole("count", 1, 20)))
        fields.close()
    if len({rule.move for rule in rules}) != len(rules):
        raise DocumentRefused("policy.approvals names a move twice; say once how many it needs")
    return tuple(rules)


def approvals_needed(rules: Iterable[ApprovalRule], move: str) -> int:
    """Return how many people must approve a move; 0 where nobody is asked."""
    return next((rule.count for rule in rules if rule.move == move), 0)


def approvers(
    approvals: Iterable[Approval], move: str, policy: str | None, authors: frozenset[str]
) -> tuple[str, ...]:
    """Return who approved a move under the policy that holds now, each once; authors never."""
    named = (each.by for each in approvals if (each.move, each.policy) == (move, policy))
    return tuple(dict.fromkeys(by for by in named if by not in authors))


def weigh_approvals(needed: int, given: Sequence[str], move: str) -> Reason:
    """Return the reason that stands in the Verdict; INCONCLUSIVE while some are missing."""
    names = f" ({', '.join(given)})" if given else ""
    text = f"{len(given)} of {needed} approvals for {move}{names}"
    if len(given) >= needed:
        return Reason(GATE, Outcome.PASS, text)
    advice = "somebody else who did not make the version can give one: isogloss models approve"
    return Reason(GATE, Outcome.INCONCLUSIVE, f"{text}; {advice}")
