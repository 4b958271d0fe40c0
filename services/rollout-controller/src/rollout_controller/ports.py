"""What this service needs from the world. Local processes and clusters differ behind these."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from lifecycle.capacity import Scale
from lifecycle.evidence import Subjects
from lifecycle.model_states import ModelState
from lifecycle.rollouts import Colour, Rollout
from lifecycle.served_models import ServedModel
from rollout_controller.ledger_moves import Advance, Advanced, Ending, Envelope, HeldPolicy
from rollout_controller.metrics import Meters
from rollout_controller.mirror_counts import MirrorRead, MirrorTally
from rollout_controller.noise_floors import NoiseFloor
from rollout_controller.route_objects import HeldRoute, Route
from rollout_controller.tallies import Reading, Tally

Sign = Callable[[str, bytes], Envelope]
"""Signs (payload type, payload) with this service's key."""


class LedgerUnreachable(Exception):
    """The registry-proxy did not answer, or not as agreed; nothing is known of the request."""


class LedgerRefused(Exception):
    """The registry-proxy understood and said no. `problem` is the problem type's slug,
    `members` its extension members.
    """

    def __init__(self, problem: str, text: str, members: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.problem = problem
        self.members = members


class PairsUnreachable(Exception):
    """The drift-monitor did not answer, or not as agreed."""


class GatewayUnreachable(Exception):
    """The gateway does not say what it has in effect; what was written stays written."""


class RouteMoved(Exception):
    """Somebody wrote the route since it was read: decide again."""


class WorkloadsUnreachable(Exception):
    """What runs is not known now, and whether a request was taken up; nothing has ended for it."""


class WorkloadsRefused(Exception):
    """The platform understood what should run and said no; the text says why and what to do."""


class MetricsUnreachable(Exception):
    """The predictor's counters could not be read; the text says why."""


class ServedModelsUnreachable(Exception):
    """Where ServedModels are written does not answer, or does not take a status."""


class NotLeading(Exception):
    """Another replica leads, so this one must not act, or must act no longer."""


class Ledger(Protocol):
    """The registry-proxy's ledger. All raise LedgerUnreachable and LedgerRefused."""

    async def fetch_state(self, model: str) -> ModelState:
        """Return the model as of its last entry; an empty one when nothing is known of it."""

    async def fetch_policy(self, model: str) -> HeldPolicy:
        """Return the gate policy in force."""

    async def begin(self, model: str, digest: str, expected_seq: int) -> tuple[Rollout, int]:
        """Record a new Rollout; return it and the new head."""

    async def advance(self, model: str, rollout: str, request: Advance) -> Advanced:
        """Ask for the next Phase or step."""

    async def hold(
        self, model: str, rollout: str, reason: str | None, expected_seq: int
    ) -> tuple[Rollout, int]:
        """Pause a Rollout with a reason, or resume it (None)."""

    async def end(self, model: str, rollout: str, ending: Ending) -> tuple[Rollout, int]:
        """Record that a Rollout was given up; idempotent, and never loses a race."""


class Pairs(Protocol):
    """The drift-monitor's pairings and A/A runs. All raise PairsUnreachable."""

    async def register(
        self, model: str, rollout: Rollout, since: float, mirror_percent: int
    ) -> None:
        """Begin to pair the two versions' answers; a repeated one keeps the first `since`."""

    async def paired_since(self, model: str, rollout: Rollout) -> float | None:
        """Return when the pairing began, seconds since the epoch; None when there is none yet."""

    async def sign(
        self,
        model: str,
        rollout: Rollout,
        subjects: Subjects,
        expires_at: float,
        mirror: MirrorRead,
    ) -> Envelope:
        """Return signed shadow Evidence of what was counted, held against what was mirrored."""

    async def noise(self, model: str, digest: str) -> NoiseFloor | None:
        """Return what the last A/A run of a version measured; None when there was none."""


@dataclass(frozen=True)
class Effect:
    """Whether what was written is what the gateway does; `reason` says why not."""

    reached: bool
    reason: str = ""


@dataclass(frozen=True)
class Mirroring:
    """Whether the gateway can copy requests to a second version, under the same request id;
    None: that is not known yet. `reason` says why not, and what to do.
    """

    possible: bool | None
    reason: str = ""


class Gateway(Protocol):
    """The one route object of each model. Its rules are the gateway's own; not the ledger's.

    Whoever cannot be asked or told is GatewayUnreachable.
    """

    async def read(self, model: str) -> HeldRoute | None:
        """Return what was last written, None when nothing was."""

    async def write(self, route: Route, expected: str | None) -> None:
        """Replace the model's route; RouteMoved unless the held revision is `expected` (None:
        whatever is held, because going back must not lose a race).
        """

    async def wait_in_effect(self, model: str, seconds: float) -> Effect:
        """Return whether what was written is what the gateway does, waiting up to `seconds`;
        GatewayUnreachable when it does not say.
        """

    async def mirroring(self, served: ServedModel) -> Mirroring:
        """Return whether this model's share of requests can be mirrored; never raises."""

    async def mirrored(self, model: str, colour: Colour) -> Mapping[str, int]:
        """Return how many requests were copied to a colour that gets no others, by each place that
        counts since it began; GatewayUnreachable where that cannot be read.
        """

    async def remove(self, model: str) -> None:
        """Forget a model that is no longer served."""


@dataclass(frozen=True)
class ColourState:
    """One colour's predictor. `alive`: it exists and has not ended by itself since it was last
    ready; `ready`: it is warm and answers; `since`: when `ready` last changed, seconds since
    the epoch; `reason`: why it is not ready; `metrics_addresses`: one for each process that is
    ready. An empty `digest`: nothing could be put there, `reason` says why.

    `scale`: how many there may be, None where that has no meaning; `intact` False: something
    beside the predictors that they are reached by was taken away; `holds`: the node that cannot be
    drained because of it, and what to do.
    """

    digest: str
    alive: bool
    ready: bool
    since: float
    address: str | None
    metrics_addresses: tuple[str, ...]
    reason: str = ""
    scale: Scale | None = None
    intact: bool = True
    holds: str = ""


class Workloads(Protocol):
    """Predictors by model and colour. What is wanted is kept running until told otherwise.

    All raise WorkloadsUnreachable, those that change something WorkloadsRefused.
    """

    async def ensure(self, served: ServedModel, colour: Colour, digest: str) -> None:
        """Want a version in a colour, replacing what is there; returns before it is ready."""

    async def settle(self, served: ServedModel, colour: Colour) -> None:
        """Bring what needs no new process to what is wanted: `scale`, and what is not `intact`."""

    async def observe(self, model: str) -> Mapping[Colour, ColourState]:
        """Return the colours that something is wanted in."""

    async def stop(self, model: str, colour: Colour) -> None:
        """Want nothing in a colour; returns before it has gone."""

    async def remove(self, model: str) -> None:
        """Forget a model that is no longer served; returns before it has gone."""


class CandidateMetrics(Protocol):
    """Predictors' own counters."""

    async def read(self, addresses: Sequence[str], slow_over_ms: float) -> Reading:
        """Return what the metrics addresses say now; MetricsUnreachable when none can be read."""


@dataclass(frozen=True)
class Notes:
    """What cannot be rebuilt from ledger, route and workloads, and is only lost patience when
    lost: the counters since a step began, what a shadow's mirror copied, and when a person last
    resumed the Rollout.
    """

    tally: Tally | None = None
    resumed_at: float = 0.0
    mirror: MirrorTally | None = None


class Journal(Protocol):
    """Notes by model, kept over restarts."""

    def load(self, model: str) -> Notes:
        """Return the notes last saved, empty ones when there are none."""

    def save(self, model: str, notes: Notes) -> None:
        """Replace a model's notes."""


@dataclass(frozen=True)
class ServedModelsRead:
    """All ServedModels by name, what was refused (object to reason), and the status that each
    shows to people now, where it shows one.
    """

    models: Mapping[str, ServedModel]
    refused: Mapping[str, str]
    published: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class ServedModels(Protocol):
    """Where people say how each model is served. Both raise ServedModelsUnreachable."""

    async def read(self) -> ServedModelsRead:
        """Return what is written now; a refused object's last good form stays among the models."""

    async def publish(self, model: str, status: Mapping[str, Any]) -> None:
        """Show people a model's status beside what they wrote, where there is room for it."""


class Leadership(Protocol):
    """Which of several replicas acts. All may look, and go back when somebody asks."""

    @property
    def leads(self) -> bool:
        """Tell whether this replica may act now."""

    def acting(self) -> AbstractAsyncContextManager[None]:
        """Run a block while leading: NotLeading where this replica does not lead, or has to stop.
        The block is then cancelled before another replica can begin.
        """


class Clock(Protocol):
    """The time."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""


@dataclass(frozen=True)
class Ports:
    """Everything that the use cases reach the world through."""

    ledger: Ledger
    pairs: Pairs
    gateway: Gateway
    workloads: Workloads
    metrics: CandidateMetrics
    journal: Journal
    leadership: Leadership
    clock: Clock
    sign: Sign
    meters: Meters
