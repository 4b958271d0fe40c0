"""What was counted of a pairing a moment ago, for those who only look.

A pairing of 100,000 answers takes most of a second to count, and the rollout-controller looks every
second. So a page is as old as ten times what counting cost; Evidence is always counted anew.
"""

from dataclasses import dataclass, field

from drift_monitor.attest import Known

_COSTS = 10.0
_LONGEST_SECONDS = 30.0


@dataclass
class Recent:
    """The last counts by (model, rollout), each with when it was taken and until when it does."""

    _counted: dict[tuple[str, str], tuple[float, float, Known]] = field(default_factory=dict)

    def find(self, pairing: tuple[str, str], now: float) -> Known | None:
        """Return what was counted, where that is recent enough."""
        taken, until, known = self._counted.get(pairing, (now, now, None))
        return known if known and taken <= now < until else None

    def keep(self, pairing: tuple[str, str], known: Known, began: float, now: float) -> None:
        """Remember what was counted from `began` to `now`; one pairing a model."""
        lasts = min(_COSTS * max(now - began, 0), _LONGEST_SECONDS)
        for other in [each for each in self._counted if each[0] == pairing[0]]:
            del self._counted[other]
        self._counted[pairing] = (now, now + lasts, known)
