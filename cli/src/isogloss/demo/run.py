"""The order of the steps, and what is left behind when one does not come out as told."""

from typing import Any

from isogloss.demo.better_version import release_better
from isogloss.demo.closing import sum_up
from isogloss.demo.drifting import change_the_language
from isogloss.demo.drills import (
    let_bad_versions_past,
    roll_back_by_hand,
    roll_back_from_canary,
    stop_in_shadow,
)
from isogloss.demo.first_release import release_first, serve_users, train_first
from isogloss.demo.narrator import Narrator
from isogloss.demo.plans import DemoPlan
from isogloss.demo.preparing import prepare
from isogloss.failures import Interrupted


def run_demo(plan: DemoPlan) -> dict[str, Any]:
    """Tell the whole story; the services stay up. Refused when a step came out otherwise."""
    narrator = Narrator()
    try:
        return _tell(plan, narrator)
    except KeyboardInterrupt:
        raise Interrupted(
            f"the demo was interrupted after {narrator.elapsed():.0f} s. Run it again: it begins "
            "afresh and keeps the data; isogloss down stops what still runs"
        ) from None


def _tell(plan: DemoPlan, narrator: Narrator) -> dict[str, Any]:
    story = prepare(plan, narrator)
    with story.connections:
        try:
            run = train_first(story)
            release_first(story, run)
            serve_users(story)
            release_better(story)
            roll_back_by_hand(story)
            let_bad_versions_past(story)
            stop_in_shadow(story)
            roll_back_from_canary(story)
            change_the_language(story)
            return sum_up(story)
        finally:
            for job in story.jobs.values():
                job.stop()
