"""What a Gate answers: PASS, FAIL or INCONCLUSIVE, always with reasons, never a bool.

INCONCLUSIVE is not a soft PASS: nothing moves forward on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The three things a Gate can say."""

    PASS = "PASS"  # noqa: S105 - a Verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Reason:
    """Why one rule of one Gate came out as it did, in a sentence with its numbers."""

    gate: str
    outcome: Outcome
    text: str
    waived: bool = False


@dataclass(frozen=True)
class Verdict:
    """The outcome of one or more Gates with every reason."""

    outcome: Outcome
    reasons: tuple[Reason, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form used on the wire and in the ledger."""
        return {
            "outcome": self.outcome.value,
            "reasons": [
                {"gate": r.gate, "outcome": r.outcome.value, "text": r.text, "waived": r.waived}
                for r in self.reasons
            ],
        }


def verdict_from_dict(document: Mapping[str, Any]) -> Verdict:
    """Read what `Verdict.to_dict` wrote."""
    reasons = tuple(
        Reason(r["gate"], Outcome(r["outcome"]), r["text"], bool(r.get("waived", False)))
        for r in document["reasons"]
    )
    return Verdict(Outcome(document["outcome"]), reasons)


def conclude(reasons: Iterable[Reason]) -> Verdict:
    """Join reasons: any unwaived FAIL fails, else any unwaived INCONCLUSIVE holds, else PASS.

    No reason at all is INCONCLUSIVE: silence never promotes.
    """
    told = tuple(reasons)
    counted = {reason.outcome for reason in told if not reason.waived}
    if Outcome.FAIL in counted:
        return Verdict(Outcome.FAIL, told)
    if Outcome.INCONCLUSIVE in counted or not told:
        return Verdict(Outcome.INCONCLUSIVE, told)
    return Verdict(Outcome.PASS, told)
