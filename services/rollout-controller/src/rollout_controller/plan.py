"""What to do next for one model, from one look at it. Pure: `act` carries it out.

Going back comes before everything; then what is wanted is loaded, then the route follows, and
only when it is in effect does the Rollout move on. So each crash is followed by the same moves.
"""

from dataclasses import dataclass, replace

from lifecycle.rollouts import (
    NOTHING_TO_SERVE,
    SPLIT_PHASES,
    Colour,
    Marker,
    RouteIntent,
    all_to,
)
from lifecycle.verdicts import Verdict
from rollout_controller.forward import Advancing, OpenPairing, Pausing, Wait, forward
from rollout_controller.observed import Observed
from rollout_controller.ports import ColourState
from rollout_controller.reasons_to_go_back import reason_to_go_back
from rollout_controller.route_objects import Route
from rollout_controller.targets import Target


@dataclass(frozen=True)
class Load:
    """Put a version into a colour that nobody is sent to."""

    colour: Colour
    digest: str


@dataclass(frozen=True)
class Settle:
    """Bring a colour to what the ServedModel says, as far as that ends no process."""

    colour: Colour


@dataclass(frozen=True)
class Unload:
    """End what runs in a colour that is not needed any more."""

    colour: Colour


@dataclass(frozen=True)
class WriteRoute:
    """Make this the model's route, unless somebody wrote it since it was read."""

    route: Route


@dataclass(frozen=True)
class GoBack:
    """Return the traffic to the Baseline and end the Rollout."""

    reason: str
    verdict: Verdict | None


@dataclass(frozen=True)
class Record:
    """Tell the ledger what a Marker says."""

    marker: Marker


Action = (
    Load | Settle | Unload | WriteRoute | GoBack | Record | OpenPairing | Advancing | Pausing | Wait
)


def next_action(seen: Observed) -> Action:
    """Decide the one next thing to do."""
    target = seen.target()
    for rule in (_go_back, _unseen, _load, _settle, _write_route, _record, _hold, _unload):
        action = rule(seen, target)
        if action is not None:
            return action
    return forward(seen)


def _go_back(seen: Observed, _target: Target) -> Action | None:
    reason = None if seen.going_back else reason_to_go_back(seen)
    return GoBack(reason.text, reason.verdict) if reason else None


def _unseen(seen: Observed, _target: Target) -> Action | None:
    """What is not seen is neither replaced nor waited for; only a measured fault goes back."""
    if "workloads" not in seen.faults:
        return None
    text = f"the predictors cannot be seen, all stays as it is: {seen.faults['workloads']}"
    return Wait("WorkloadsUnreachable", text)


def _load(seen: Observed, target: Target) -> Action | None:
    wished = {seen.wish.colour: seen.wish.digest} if seen.wish else {}
    wanted = {**target.digests, **wished}
    for colour, digest in wanted.items():
        state = seen.colours.get(colour)
        if (state is None or state.digest != digest) and _is_free(seen, colour):
            return Load(colour, digest)
    return None


def _is_free(seen: Observed, colour: Colour) -> bool:
    """Nothing that serves is ever replaced: first the route leaves it, then it is free."""
    state = seen.colours.get(colour)
    if state is None or not state.alive:
        return True
    return seen.in_effect is True and not seen.carries(colour) and _was_left(seen)


def _was_left(seen: Observed) -> bool:
    """Tell whether the last requests of a colour that the route has left can have come there."""
    return seen.rollout is None or seen.now - seen.rollout.phase_since >= seen.patience.leaving


def _settle(seen: Observed, target: Target) -> Action | None:
    for colour, digest in target.digests.items():
        state = seen.colours.get(colour)
        if state and state.digest == digest and not (state.intact and _is_to_scale(seen, state)):
            return Settle(colour)
    return None


def _is_to_scale(seen: Observed, state: ColourState) -> bool:
    """Another autoscaler means other pods, so it waits until the next version is loaded."""
    scale, wanted = state.scale, seen.served.scale
    return scale is None or scale.autoscaler != wanted.autoscaler or scale == wanted


def _write_route(seen: Observed, target: Target) -> Action | None:
    if not seen.fresh and seen.rollout is None:
        return None  # neither the ledger nor a route says what was: whatever serves goes on
    route = _wanted_route(seen, target)
    if seen.held is None or not seen.held.route.same_but_seq(route):
        return WriteRoute(route)
    if seen.in_effect is None:
        text = f"the gateway does not say what is in effect: {seen.faults.get('gateway')}"
        return Wait("GatewayUnreachable", text)
    return None if seen.in_effect else WriteRoute(route)


def _wanted_route(seen: Observed, target: Target) -> Route:
    held = seen.held.route if seen.held else None
    before = held.intent if held else NOTHING_TO_SERVE
    rollout, marker = seen.rollout, held.marker if held else None
    if marker and not seen.going_back and (rollout is None or rollout.id != marker.rollout):
        marker = None  # recorded, and of a Rollout before this one
    backends = dict(held.backends) if held else {}
    backends |= {colour: s.address for colour, s in seen.colours.items() if s.address}
    return Route(
        model=seen.served.name,
        hostnames=seen.served.hostnames,
        intent=_next_intent(seen, target, before),
        backends=backends,
        rollout=rollout,
        ledger_seq=seen.state.seq,
        marker=marker,
        wish=seen.wish,
        sticky=seen.served.sticky_header,
    )


def _next_intent(seen: Observed, target: Target, before: RouteIntent) -> RouteIntent:
    if not _may_carry(seen, target, before):
        return before
    if _opens_to_users(seen, target, before) and not _drained(seen, before):
        return _without_copies(seen, before)
    return target.intent


def _without_copies(seen: Observed, before: RouteIntent) -> RouteIntent:
    if before == NOTHING_TO_SERVE and seen.rollout:
        return all_to(seen.rollout.baseline_colour)  # the route was lost: users come first
    return replace(before, mirror=None, mirror_percent=0)


def _opens_to_users(seen: Observed, target: Target, before: RouteIntent) -> bool:
    rollout = seen.rollout
    if rollout is None or rollout.phase not in SPLIT_PHASES:
        return False
    colour = rollout.candidate_colour
    return before.weight(colour) == 0 and target.intent.weight(colour) > 0


def _drained(seen: Observed, before: RouteIntent) -> bool:
    """Copies that still wait for their answers would count as users' requests: they end first."""
    if before.mirror is not None or not seen.in_effect:
        return False
    if seen.in_flight is None or seen.rollout is None:
        return False  # what cannot be measured is not let near users
    return seen.in_flight == 0 or seen.now - seen.rollout.phase_since > seen.patience.drain


def _may_carry(seen: Observed, target: Target, before: RouteIntent) -> bool:
    """A colour gets more traffic, or copies, only while it is ready with the right version."""
    gaining = [
        colour
        for colour in Colour
        if target.intent.weight(colour) > before.weight(colour)
        or (target.intent.mirror is colour and before.mirror is not colour)
    ]
    return all(seen.ready(colour, target.digests[colour]) for colour in gaining)


def _record(seen: Observed, _target: Target) -> Action | None:
    marker = seen.held.route.marker if seen.held and seen.going_back else None
    return Record(marker) if marker and seen.fresh else None


def _hold(seen: Observed, target: Target) -> Action | None:
    if not seen.fresh:
        text = f"the registry-proxy does not answer, routes stay: {seen.faults.get('registry')}"
        return Wait("RegistryUnreachable", text)
    before = seen.held.route.intent if seen.held else NOTHING_TO_SERVE
    if before == target.intent:
        return None
    if _may_carry(seen, target, before):
        return _not_drained(seen)
    return Wait("PredictorNotReady", _not_ready(seen, target))


def _not_drained(seen: Observed) -> Wait:
    if seen.in_flight is None:
        text = f"the Candidate cannot be measured: {seen.faults.get('metrics')}"
        return Wait("HealthUnknown", text)
    text = f"{seen.in_flight} copies from the mirror are still being answered"
    return Wait("MirrorDrains", text)


def _not_ready(seen: Observed, target: Target) -> str:
    waiting = []
    for colour, digest in target.digests.items():
        state = seen.colours.get(colour)
        if not seen.ready(colour, digest):
            waiting.append(f"{colour} with {digest} ({state.reason if state else 'not loaded'})")
    return f"the route follows once these are ready: {', '.join(waiting)}"


def _unload(seen: Observed, target: Target) -> Action | None:
    for colour in seen.colours:
        wished = seen.wish is not None and seen.wish.colour is colour
        if colour not in target.digests and not wished and not seen.carries(colour):
            return Unload(colour) if _was_left(seen) else None
    return None
