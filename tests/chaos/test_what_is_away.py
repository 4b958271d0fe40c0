"""A neighbour, the gateway's files or the disk is away during one Phase: users never notice.

What is sick goes back meanwhile or, where the route itself cannot be written, as soon as it can;
and nothing is promoted that was not judged.
"""

from dataclasses import replace

import pytest
from chaos_stories import Story, begun

from lifecycle.rollouts import Colour, Phase

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
AWAY_SECONDS = 25
PHASES = (Phase.PENDING, Phase.SHADOWING, Phase.CANARY, Phase.BAKING, Phase.SUCCEEDED)
GOOD = Story("is good", Phase.SUCCEEDED, (begun(),))


class Away:
    """Takes a part away when the Rollout comes to a Phase, for some time."""

    def __init__(self, part, phase, seconds=AWAY_SECONDS):
        self._part, self._phase, self._seconds = part, phase, seconds
        self.began = None
        self.back_at = None

    def __call__(self, world):
        if self.began is None and world.phase is self._phase:
            self.began = world.clock.time
            world.take_away(self._part)
        if self.began and not self.back_at and world.clock.time > self.began + self._seconds:
            self.back_at = world.clock.time
            world.bring_back(self._part)


@pytest.mark.parametrize("phase", PHASES, ids=str)
@pytest.mark.parametrize("part", ["registry", "drift-monitor", "route", "journal", "metrics"])
async def test_users_are_answered_and_the_rollout_goes_on_afterwards(part, phase, played):
    undisturbed = await played(GOOD)
    away = Away(part, phase)
    ended = await played(GOOD, fails=away)

    assert away.began or phase is Phase.SUCCEEDED
    assert ended.state() == undisturbed.state()


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.BAKING], ids=str)
@pytest.mark.parametrize("part", ["registry", "drift-monitor", "route", "journal", "disk"])
async def test_a_sick_candidate_goes_back_whatever_is_away(part, phase, played):
    sick = Story(f"is sick in {phase}", Phase.ROLLED_BACK, (begun(),), sick=phase)
    away, seen = Away(part, phase), []

    def watch(world):
        away(world)
        if world.intent.weight(Colour.GREEN) == 0 and world.phase is phase and away.began:
            seen.append(world.clock.time)

    ended = await played(sick, fails=watch)

    assert ended.intent.weight(Colour.BLUE) == 100
    if part in ("registry", "disk"):
        assert seen[0] - away.began < 5, "it needs nobody to go back"
        assert ended.kinds[-1] == "rollback"


@pytest.mark.parametrize("phase", [Phase.SHADOWING, Phase.CANARY], ids=str)
async def test_what_is_inconclusive_is_never_promoted_while_anything_is_away(phase, played):
    """135 of a thousand pairs disagree, where 15 % are allowed; or nobody sends requests."""
    for part in ("registry", "drift-monitor", "metrics"):
        undecided = replace(GOOD, bad=145, end=Phase.SHADOWING)
        if phase is Phase.CANARY:
            undecided = replace(GOOD, requests=1, end=Phase.CANARY)
        ended = await played(undecided, fails=Away(part, phase), ends_after=60)
        assert ended.stages[0] == "PRODUCTION", part
        assert ended.phase == phase, part
