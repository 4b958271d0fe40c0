"""What the loop of one model remembers between two looks. All of it can be read again.

Only `reconcile` makes one; use cases change the fields that their docstrings name.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lifecycle.model_states import ModelState
from lifecycle.rollouts import Marker, Rollout
from lifecycle.served_models import ServedModel
from lifecycle.verdicts import Verdict
from rollout_controller.ledger_moves import HeldPolicy
from rollout_controller.observed import Asked, Observed, Patience
from rollout_controller.ports import Notes


@dataclass(frozen=True)
class Rollback:
    """A Rollback that was carried out; times in seconds since the epoch, `effective_at` None
    while the gateway does not say so; `verdict` is what it rests on, if it rests on one.
    """

    rollout: str
    to: str
    reason: str
    automatic: bool
    decided_at: float
    effective_at: float | None
    recorded: bool
    verdict: Verdict | None = None

    @property
    def milliseconds(self) -> float | None:
        """Return the time from the decision to its effect."""
        if self.effective_at is None:
            return None
        return round((self.effective_at - self.decided_at) * 1000, 1)


def found_in(marker: Marker) -> Rollback:
    """Return what a Marker says of a Rollback that an earlier controller carried out."""
    return Rollback(
        rollout=marker.rollout,
        to=marker.to,
        reason=marker.reason,
        automatic=marker.automatic,
        decided_at=marker.written_at,
        effective_at=None,
        recorded=False,
    )


@dataclass
class ModelMemory:
    """One model's memory. `leading` tells whether this replica acts, `told` is the status that the
    leading one published. `going_back` is held while a Rollback is carried out; `wake` cuts the
    wait before the next look short; `looked` is set anew after each look.
    """

    served: ServedModel
    patience: Patience
    notes: Notes
    state: ModelState | None = None
    policy: HeldPolicy | None = None
    seen: Observed | None = None
    asked: Asked | None = None
    last_rollback: Rollback | None = None
    waiting: tuple[str, str] = ("Starting", "nothing was looked at yet")
    fault: str | None = None
    leading: bool = True
    told: Mapping[str, Any] = field(default_factory=dict)
    going_back: asyncio.Lock = field(default_factory=asyncio.Lock)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    looked: asyncio.Condition = field(default_factory=asyncio.Condition)

    def note(self, rollout: Rollout, seq: int) -> None:
        """Take over what the ledger answered to a write, before the next look reads it again."""
        state = self.state or ModelState(self.served.name)
        self.state = replace(state, rollout=rollout, seq=seq)
