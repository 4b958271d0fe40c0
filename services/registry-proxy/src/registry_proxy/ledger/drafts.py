"""The entries that several use cases write, in one spelling."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from lifecycle.ledger import Draft, EntryKind
from lifecycle.model_states import VersionState
from lifecycle.rollouts import Rollout
from lifecycle.stages import Stage, move_name
from registry_proxy.ledger.hear import Hearing

_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Cause:
    """Who changes something, why, and on what Verdict (None: no Gate was asked)."""

    actor: str
    reason: str
    hearing: Hearing | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the members that stand in an entry's body."""
        hearing = self.hearing
        return {
            "reason": self.reason,
            "verdict": hearing.verdict.to_dict() if hearing else None,
            "evidence": hearing.evidence if hearing else (),
        }


def moved(version: VersionState, to: Stage, cause: Cause) -> Draft:
    """Draft a version's move to another Stage."""
    body = {
        "digest": version.digest,
        "number": version.number,
        "before": version.stage,
        "after": to,
        "move": move_name(version.stage, to),
        **cause.to_dict(),
    }
    return Draft(EntryKind.TRANSITION, cause.actor, body)


def rolled(rollout: Rollout, cause: Cause, facts: Mapping[str, Any] = _NO_FACTS) -> Draft:
    """Draft a Rollout's new state, with what its author knew when deciding it."""
    body = {"rollout": rollout.to_dict(), **cause.to_dict(), **facts}
    return Draft(EntryKind.ROLLOUT, cause.actor, body)


def released(rollout: Rollout, cause: Cause) -> Draft:
    """Draft a Release: the decision that users get the Candidate's answers."""
    body = {"rollout": rollout.id, "digest": rollout.candidate, "baseline": rollout.baseline}
    return Draft(EntryKind.RELEASE, cause.actor, {**body, **cause.to_dict()})


def rolled_back(rollout: Rollout, cause: Cause, facts: Mapping[str, Any]) -> Draft:
    """Draft a Rollback: the same facts under the kind that people search for."""
    return replace(rolled(rollout, cause, facts), kind=EntryKind.ROLLBACK)
