"""Everything that was seen of one model in one look; what `plan` decides on."""

from collections.abc import Mapping
from dataclasses import dataclass

from lifecycle.model_states import ModelState
from lifecycle.policies import GatePolicy
from lifecycle.rollouts import Colour, Phase, Rollout
from lifecycle.served_models import ServedModel
from lifecycle.verdicts import Verdict
from rollout_controller.ledger_moves import HeldPolicy
from rollout_controller.ports import ColourState, Mirroring, Notes
from rollout_controller.route_objects import HeldRoute, Wish
from rollout_controller.tallies import Tally
from rollout_controller.targets import Target, ledger_target, marker_stands, marker_target


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds. `load`: until a Candidate is ready; `unready`: a
    Candidate that users get answers from without being ready; `evidence`: between two questions
    to the registry whether a Gate PASSes; `pairing`: from the mirror's effect to the first pair;
    `drain`: until the mirror's last copies are answered; `leaving`: from a change of the route to
    the end of what it has left.
    """

    load: float
    unready: float
    evidence: float
    pairing: float
    drain: float
    leaving: float


@dataclass(frozen=True)
class Asked:
    """The registry's last Verdict on a step of a Rollout, and when it was asked for."""

    rollout: str
    phase: Phase
    step: int
    at: float
    verdict: Verdict | None

    def belongs_to(self, rollout: Rollout) -> bool:
        """Tell whether this is about the step that the Rollout is in."""
        return (self.rollout, self.phase, self.step) == (rollout.id, rollout.phase, rollout.step)


@dataclass(frozen=True)
class Observed:
    """One look. `fresh` False: the ledger does not answer and `state` is the last one known.
    `in_effect` None: the gateway does not say. `paired_since`: when the drift-monitor began to
    pair, None before it did. `in_flight`: requests that the Candidate has not answered yet, None
    where that is not known. `mirroring`: what the gateway can do, None where nobody needs to know.
    `wish` is a colour and digest that a Rollback
    to an earlier Production is loading. `faults` are parts that could not be read, by name.
    """

    now: float
    served: ServedModel
    patience: Patience
    state: ModelState
    fresh: bool
    policy: HeldPolicy | None
    held: HeldRoute | None
    in_effect: bool | None
    colours: Mapping[Colour, ColourState]
    health: Verdict | None
    in_flight: int | None
    paired_since: float | None
    mirroring: Mirroring | None
    notes: Notes
    asked: Asked | None
    faults: Mapping[str, str]

    @property
    def rollout(self) -> Rollout | None:
        """Return the ledger's Rollout."""
        return self.state.rollout

    @property
    def tally(self) -> Tally | None:
        """Return the counts of the step that the Rollout is in, if counting began."""
        tally = self.notes.tally
        return tally if tally and self.rollout and tally.belongs_to(self.rollout) else None

    @property
    def gates(self) -> GatePolicy | None:
        """Return the gate policy last read."""
        return self.policy.policy if self.policy else None

    @property
    def wish(self) -> Wish | None:
        """Return what a Rollback to an earlier Production waits for."""
        wish = self.held.route.wish if self.held else None
        return wish if wish and self.now < wish.until else None

    @property
    def going_back(self) -> bool:
        """Tell whether a Marker in the route still has to be recorded."""
        return self.held is not None and marker_stands(self.held.route.marker, self.state)

    @property
    def route_is_settled(self) -> bool:
        """Tell whether the route is where this model is heading, and in effect."""
        intent = self.held.route.intent if self.held else None
        return self.in_effect is True and intent == self.target().intent

    def target(self) -> Target:
        """Return where this model is heading."""
        if self.going_back and self.held and self.held.route.marker:
            return marker_target(self.held.route.marker)
        return ledger_target(self.state, self.served, self.colours)

    def ready(self, colour: Colour, digest: str) -> bool:
        """Tell whether a colour serves a digest, warm."""
        state = self.colours.get(colour)
        return state is not None and state.ready and state.digest == digest

    def users_of(self, colour: Colour) -> int:
        """Return the percentage of users whom the route as written sends to a colour."""
        return self.held.route.intent.weight(colour) if self.held else 0

    def carries(self, colour: Colour) -> bool:
        """Tell whether the route as written sends anything to a colour."""
        return self.held is not None and self.held.route.carries(colour)
