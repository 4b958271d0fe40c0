"""Where a model is heading: which digest in which colour, and the route that follows. Pure.

The ledger's Rollout says so, unless a Marker in the route is not recorded yet: it then wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lifecycle.model_states import ModelState
from lifecycle.rollouts import (
    NOTHING_TO_SERVE,
    Colour,
    Marker,
    Phase,
    Rollout,
    RouteIntent,
    all_to,
    route_for,
)
from lifecycle.served_models import ServedModel
from lifecycle.stages import Stage
from rollout_controller.ports import ColourState

GONE_BACK = frozenset({Phase.ROLLED_BACK, Phase.ABORTED})


@dataclass(frozen=True)
class Target:
    """What each colour should run (a colour not named: nothing), and the route."""

    digests: Mapping[Colour, str]
    intent: RouteIntent


def marker_stands(marker: Marker | None, state: ModelState) -> bool:
    """Tell whether a Marker still wins over the ledger: until the ledger tells what it tells.

    Also where the ledger's head is older than the Marker (it was restored from a copy).
    """
    if marker is None:
        return False
    if marker.ledger_seq >= state.seq:
        return True
    rollout = state.rollout
    if rollout is None or rollout.id != marker.rollout:
        return False
    return rollout.phase not in GONE_BACK or production_of(state, rollout) != marker.to


def marker_target(marker: Marker) -> Target:
    """Return what a standing Marker asks for."""
    return Target({marker.to_colour: marker.to}, all_to(marker.to_colour))


def ledger_target(
    state: ModelState, served: ServedModel, colours: Mapping[Colour, ColourState]
) -> Target:
    """Return what the ledger's Rollout asks for."""
    rollout = state.rollout
    if rollout is None:
        return Target({}, NOTHING_TO_SERVE)
    if rollout.phase in GONE_BACK:
        return _after_going_back(state, rollout, colours)
    digests = {rollout.candidate_colour: rollout.candidate}
    if rollout.baseline:
        digests[rollout.baseline_colour] = rollout.baseline
    intent = route_for(rollout, served.canary_weights, served.mirror_percent)
    return Target(digests, intent)


def production_of(state: ModelState, rollout: Rollout) -> str | None:
    """Return the digest that users should get after a Rollout was given up."""
    production = state.holding(Stage.PRODUCTION)
    return production.digest if production else rollout.baseline


def _after_going_back(
    state: ModelState, rollout: Rollout, colours: Mapping[Colour, ColourState]
) -> Target:
    production = production_of(state, rollout)
    if production is None:
        return Target({}, NOTHING_TO_SERVE)
    # Going back to a version older than the Baseline may have loaded it in either colour.
    home = rollout.baseline_colour
    if _digest(colours, home) != production == _digest(colours, home.other):
        home = home.other
    return Target({home: production}, all_to(home))


def _digest(colours: Mapping[Colour, ColourState], colour: Colour) -> str | None:
    state = colours.get(colour)
    return state.digest if state else None
