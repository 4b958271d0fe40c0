"""The route object of one model: what the gateway does, and what a restart must find again.

It carries the Rollout that it implements and, after a Rollback, the Marker, in one object and
one write; so a controller that lost its memory, or the registry, can still go back. What must be
loaded before a Rollback can be carried out stands here too, so that whichever replica acts sees it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
class Wish:
    """A version that a Rollback to an earlier Production wants loaded in the colour that nobody is
    sent to; `until`, seconds since the epoch, is when nobody waits for it any longer.
    """

    colour: Colour
    digest: str
    until: float


@dataclass(frozen=True)
class Route:
    """What should be in effect for one model. `backends` holds the address of each colour that
    is loaded; `ledger_seq` is the model's head that `rollout` was read at; `sticky` names the
    header by which a user keeps to one version, where that is wanted.
    """

    model: str
    hostnames: tuple[str, ...]
    intent: RouteIntent
    backends: Mapping[Colour, str]
    rollout: Rollout | None = None
    ledger_seq: int = 0
    marker: Marker | None = None
    wish: Wish | None = None
    sticky: str | None = None

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
        intent = all_to(marker.to_colour)
        return replace(self, intent=intent, marker=marker, wish=None, backends=backends)


@dataclass(frozen=True)
class HeldRoute:
    """A Route as the gateway's side holds it; `revision` changes with every write."""

    route: Route
    revision: str


def route_to_dict(route: Route) -> dict[str, Any]:
    """Return the whole Route as JSON."""
    intent = route.intent
    return {
        "model": route.model,
        "hostnames": list(route.hostnames),
        "blue": intent.blue,
        "green": intent.green,
        "mirror": intent.mirror.value if intent.mirror else None,
        "mirror_percent": intent.mirror_percent,
        "backends": {colour.value: address for colour, address in route.backends.items()},
        **route_notes(route),
    }


def route_from_dict(document: Mapping[str, Any]) -> Route:
    """Read what `route_to_dict` wrote; KeyError, ValueError or TypeError when it is not that."""
    rollout, ledger_seq, marker = read_route_notes(document)
    mirror = document["mirror"]
    return Route(
        model=document["model"],
        hostnames=tuple(document["hostnames"]),
        intent=RouteIntent(
            blue=int(document["blue"]),
            green=int(document["green"]),
            mirror=Colour(mirror) if mirror else None,
            mirror_percent=int(document["mirror_percent"]),
        ),
        backends={Colour(name): address for name, address in document["backends"].items()},
        rollout=rollout,
        ledger_seq=ledger_seq,
        marker=marker,
        wish=read_wish(document),
        sticky=document.get("sticky"),
    )


def route_notes(route: Route) -> dict[str, Any]:
    """Return what is kept beside the gateway's own fields, as JSON."""
    return {
        "rollout": route.rollout.to_dict() if route.rollout else None,
        "ledger_seq": route.ledger_seq,
        "marker": route.marker.to_dict() if route.marker else None,
        "wish": asdict(route.wish) if route.wish else None,
        "sticky": route.sticky,
    }


def read_route_notes(notes: Mapping[str, Any]) -> tuple[Rollout | None, int, Marker | None]:
    """Read what `route_notes` wrote: Rollout, ledger head, Marker."""
    rollout, marker = notes["rollout"], notes["marker"]
    return (
        rollout_from_dict(rollout) if rollout else None,
        int(notes["ledger_seq"]),
        marker_from_dict(marker) if marker else None,
    )


def read_wish(notes: Mapping[str, Any]) -> Wish | None:
    """Read what `route_notes` wrote of a wish."""
    wish = notes.get("wish")
    return Wish(**{**wish, "colour": Colour(wish["colour"])}) if wish else None
