"""The controller is killed, or fails, or is not answered, at every boundary between two deeds.

Wherever it happened, everything is as the ledger says within 10 s, no user's request could fail,
the ledger verifies, and the story ends as it would have ended.
"""

import pytest
from chaos_deeds import FAULTS
from chaos_stories import STORIES

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(1200)]
LIMIT_SECONDS = 10


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_whatever_fails_between_two_deeds_the_story_ends_the_same(
    story, fault, played, boundaries, record_property
):
    undisturbed = await played(story)
    for at in boundaries(len(undisturbed.deeds), story, fault):
        ended = await played(story, at, fault)
        where = f"{story.name}, {fault} at {at}: {ended.hit}"
        assert ended.hit, where
        assert ended.seconds is not None, where
        record_property("seconds", ended.seconds)
        assert ended.seconds < LIMIT_SECONDS, where
        assert ended.state() == undisturbed.state(), where
