"""A Rollout: two versions, two colours, one Phase; and the route that it implies.

The route is always a function of the ledger's Rollout and the canary weights, so a
controller that lost its memory writes the same route again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, assert_never


class Phase(StrEnum):
    """Where a Rollout stands (not where a version stands: that is a Stage)."""

    PENDING = "PENDING"
    SHADOWING = "SHADOWING"
    CANARY = "CANARY"
    BAKING = "BAKING"
    SUCCEEDED = "SUCCEEDED"
    ROLLED_BACK = "ROLLED_BACK"
    ABORTED = "ABORTED"


ACTIVE_PHASES = frozenset({Phase.PENDING, Phase.SHADOWING, Phase.CANARY, Phase.BAKING})
SPLIT_PHASES = frozenset({Phase.CANARY, Phase.BAKING})
"""Phases in which users get the Candidate's answers: its health can roll it back."""


class Colour(StrEnum):
    """One of the two places where a version of a model is loaded."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Colour":
        """Return the opposite colour."""
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


@dataclass(frozen=True)
class Rollout:
    """The ledger's record of one Rollout. `step` counts canary weights from 0; `paused`
    holds the reason while a person is asked; `baseline` None is a model's first Release.
    """

    id: str
    candidate: str
    candidate_colour: Colour
    baseline: str | None
    phase: Phase
    step: int
    paused: str | None
    started_at: float
    phase_since: float

    @property
    def baseline_colour(self) -> Colour:
        """Return the colour that the Baseline is loaded in."""
        return self.candidate_colour.other

    @property
    def serving_colour(self) -> Colour | None:
        """Return the colour whose version is (or stays) the one users are meant to get."""
        if self.phase in (Phase.BAKING, Phase.SUCCEEDED):
            return self.candidate_colour
        return self.baseline_colour if self.baseline else None

    def at(self, phase: Phase, now: float, step: int = -1) -> "Rollout":
        """Return this Rollout in another phase or step, no longer paused."""
        return replace(self, phase=phase, step=step, paused=None, phase_since=now)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form used in the ledger and on the wire."""
        return asdict(self)


def rollout_from_dict(document: Mapping[str, Any]) -> Rollout:
    """Read what `Rollout.to_dict` wrote."""
    return Rollout(
        **{
            **document,
            "candidate_colour": Colour(document["candidate_colour"]),
            "phase": Phase(document["phase"]),
        }
    )


@dataclass(frozen=True)
class Marker:
    """Written into the route object by a Rollback: while its `ledger_seq` is newer than or
    equal to the ledger's head for the model, it wins over what the ledger says.
    """

    rollout: str
    ledger_seq: int
    reason: str
    to: str
    to_colour: Colour
    written_at: float
    automatic: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form kept in the route object."""
        return asdict(self)


def marker_from_dict(document: Mapping[str, Any]) -> Marker:
    """Read what `Marker.to_dict` wrote."""
    return Marker(**{**document, "to_colour": Colour(document["to_colour"])})


@dataclass(frozen=True)
class RouteIntent:
    """What the gateway should do for one model: percent per colour, and who gets copies.

    No weight at all (both 0) means there is nothing to serve yet.
    """

    blue: int
    green: int
    mirror: Colour | None = None
    mirror_percent: int = 0

    def weight(self, colour: Colour) -> int:
        """Return the percentage of requests that `colour` answers."""
        return self.blue if colour is Colour.BLUE else self.green


NOTHING_TO_SERVE = RouteIntent(0, 0)


def all_to(colour: Colour) -> RouteIntent:
    """Send every request to one colour."""
    return _split(colour, 100)


def route_for(rollout: Rollout | None, weights: Sequence[int], mirror_percent: int) -> RouteIntent:
    """Return the route that the ledger's Rollout implies.

    `weights` are the canary steps' percentages; a step past their end counts as the last.
    """
    if rollout is None:
        return NOTHING_TO_SERVE
    match rollout.phase:
        case Phase.SHADOWING:
            baseline = all_to(rollout.baseline_colour)
            return replace(baseline, mirror=rollout.candidate_colour, mirror_percent=mirror_percent)
        case Phase.CANARY:
            step = min(max(rollout.step, 0), len(weights) - 1)
            return _split(rollout.candidate_colour, weights[step])
        case Phase.PENDING | Phase.BAKING | Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.ABORTED:
            colour = rollout.serving_colour
            return all_to(colour) if colour else NOTHING_TO_SERVE
        case _:
            assert_never(rollout.phase)


def _split(colour: Colour, percent: int) -> RouteIntent:
    if colour is Colour.BLUE:
        return RouteIntent(blue=percent, green=100 - percent)
    return RouteIntent(blue=100 - percent, green=percent)
