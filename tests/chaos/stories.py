"""What people ask for and what the Candidate does, from a version that serves to an end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lifecycle.rollouts import Phase
from rollout_controller.operate import abort, pause, resume, start_rollout
from rollout_controller.rollback_by_hand import roll_back


@dataclass(frozen=True)
class Ask:
    """Something that somebody asks for when it is due, and again until there is an answer;
    `needs_looks`: the answer waits for what the controller does meanwhile.
    """

    when: Callable
    ask: Callable
    needs_looks: bool = False


@dataclass(frozen=True)
class Story:
    """`bad` of a thousand pairs disagree; users send so many `requests` a second to the Candidate,
    and get errors once the Rollout is in `sick`.
    """

    name: str
    end: Phase
    asks: tuple[Ask, ...] = ()
    bad: int = 30
    sick: Phase | None = None
    requests: int = 300
    spec: dict = field(default_factory=dict)

    def begin(self, world):
        """Set the world up for this story."""
        world.asks = list(self.asks)
        world.pairs.bad = self.bad
        world.story = self


def begun(version="2"):
    """Start a Rollout once nothing else is under way."""

    async def ask(world):
        await start_rollout(world.ports, world.memory, version)

    return Ask(lambda _world: True, ask)


def superseded(phase):
    """Start a Rollout of version 3 over that of version 2 when that is in a Phase, or past it."""

    async def ask(world):
        await start_rollout(world.ports, world.memory, "3", supersede=True)

    return Ask(once_version("2", phase, abort).when, ask)


def once(phase, operation, *arguments):
    """Ask for something when the Rollout is in a Phase, or past it."""
    order = list(Phase)

    async def ask(world):
        await operation(world.ports, world.memory, *arguments)

    return Ask(lambda world: order.index(world.phase) >= order.index(phase), ask)


def once_version(number, phase, operation, *arguments):
    """Ask for something when the Rollout of a version is in a Phase, or past it."""
    asked = once(phase, operation, *arguments)

    def due(world):
        state = world.memory.state
        if state is None or state.rollout is None:
            return False
        return state.find(number).digest == state.rollout.candidate and asked.when(world)

    return Ask(due, asked.ask)


_UNDER_WAY = (Phase.PENDING, Phase.SHADOWING, Phase.CANARY, Phase.BAKING)
_BEFORE_USERS = (Phase.PENDING, Phase.SHADOWING)


def _given_up(phase):
    end = Phase.ABORTED if phase in _BEFORE_USERS else Phase.ROLLED_BACK
    asks = (begun(), once_version("2", phase, abort, "enough"))
    return Story(f"aborted while {phase}", end, asks)


def _superseded(phase):
    return Story(f"is superseded while {phase}", Phase.SUCCEEDED, (begun(), superseded(phase)))


STORIES = (
    Story("succeeds", Phase.SUCCEEDED, (begun(),)),
    Story("fails in its shadow", Phase.ABORTED, (begun(),), bad=400),
    Story("is sick as a canary", Phase.ROLLED_BACK, (begun(),), sick=Phase.CANARY),
    Story("is sick when all users have it", Phase.ROLLED_BACK, (begun(),), sick=Phase.BAKING),
    *(_given_up(phase) for phase in _UNDER_WAY),
    *(_superseded(phase) for phase in _UNDER_WAY),
    Story("changes places at once", Phase.SUCCEEDED, (begun(),), spec={"strategy": "blueGreen"}),
    Story(
        "is paused and resumed",
        Phase.SUCCEEDED,
        (
            begun(),
            once_version("2", Phase.SHADOWING, pause, "asking the team"),
            once_version("2", Phase.SHADOWING, resume),
        ),
    ),
    Story(
        "is rolled back by hand",
        Phase.ROLLED_BACK,
        (begun(), once_version("2", Phase.SUCCEEDED, roll_back, "complaints")),
    ),
    Story(
        "is followed by another and the one before both",
        Phase.ROLLED_BACK,
        (
            begun(),
            Ask(lambda world: world.phase is Phase.SUCCEEDED, begun("3").ask),
            replace(
                once_version("3", Phase.SUCCEEDED, roll_back, "much older", "1"), needs_looks=True
            ),
        ),
    ),
)
