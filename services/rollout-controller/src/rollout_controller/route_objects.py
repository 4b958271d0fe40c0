"""The route object of one model: what the gateway does, and what a restart must find again.

It carries the Rollout that it implements and, after a Rollback, the Marker, in one object and
one write; so a controller that lost its memory, or the registry, can still go back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.rollouts import (
    Colour,
    Marker,
    Rollout,
    RouteIntent,
    all_to,
    marker_from_dict,
    rollout_from_dict,
)


@dataclass(frozen=True)
class Route:
    """What should be in effect for one model. `backends` holds the address of each colour that
    is loaded; `ledger_seq` is the model's head that `rollout` was read at.
    """

    model: str
    hostnames: tuple[str, ...]
    intent: RouteIntent
    backends: Mapping[Colour, str]
    rollout: Rollout | None = None
    ledger_seq: int = 0
    marker: Marker | None = None

    def carries(self, colour: Colour) -> bool:
        """Tell whether requests, or copies of them, go to a colour."""
        return self.intent.weight(colour) > 0 or self.intent.mirror is colour

    def same_but_seq(self, other: "Route") -> bool:
        """Compare all but the ledger's head, which moves without moving the route."""
        return replace(self, ledger_seq=0) == replace(other, ledger_seq=0)

    def going_back(self, marker: Marker, address: str | None) -> "Route":
        """Return this route with everything sent where the Marker says; `address` is where that
        colour is now (None: where it was).
        """
        moved = {marker.to_colour: address} if address else {}
        backends = {**self.backends, **moved}
        return replace(self, intent=all_to(marker.to_colour), marker=marker, backends=backends)


@dataclass(frozen=True)
class HeldRoute:
    """A Route as the gateway's side holds it; `revision` changes with every write."""

    route: Route
    revision: str


def route_notes(route: Route) -> dict[str, Any]:
    """Return what is kept beside the gateway's own fields, as JSON."""
    return {
        "rollout": route.rollout.to_dict() if route.rollout else None,
        "ledger_seq": route.ledger_seq,
        "marker": route.marker.to_dict() if route.marker else None,
    }


def read_route_notes(notes: Mapping[str, Any]) -> tuple[Rollout | None, int, Marker | None]:
    """Read what `route_notes` wrote: Rollout, ledger head, Marker."""
    rollout, marker = notes["rollout"], notes["marker"]
    return (
        rollout_from_dict(rollout) if rollout else None,
        int(notes["ledger_seq"]),
        marker_from_dict(marker) if marker else None,
    )
