"""Step 7: three ways back. Two bad versions are let past the offline Gates by a waiver that is
on record and expires; no part is told to misbehave.
"""

from contextlib import ExitStack
from typing import Any

from isogloss.adapters.processes import pause
from isogloss.demo.first_release import tell_counts
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.jobs import await_job

_AFTERWARDS_SECONDS = 3.0
"""Load goes on so long after a rollback that a late bad answer would be counted."""


def stop_in_shadow(story: Story) -> None:
    """A version that learnt every label wrong never gets to answer a user."""
    with story.narrator.step(7, "Drill: a version trained on flipped labels"):
        _stage_with_waiver(story, "flipped", "drill: must be stopped in shadow")
        load = LoadRequest("drill-flipped", story.reviews, story.plan.traffic.shadow, feedback=True)
        with story.loads.running(load):
            story.connections.controller.start(story.model, story.versions["flipped"])
            story.follow_rollout("ABORTED")
        counts = story.loads.counts(load.name)
        tell_counts(story, counts)
        answers = counts["versions"].get(story.versions["flipped"], {"requests": 0})["requests"]
        story.narrator.tell(f"users' answers by the flipped version: {answers}")


def roll_back_from_canary(story: Story) -> None:
    """A version that answers rightly and is too dear fails on real traffic, and goes by itself."""
    with story.narrator.step(8, "Drill: a version a hundred times dearer, under more traffic"):
        _stage_with_waiver(story, "dear", "drill: must be rolled back in the canary")
        traffic = story.plan.traffic
        quiet = LoadRequest("drill-dear-shadow", story.reviews, traffic.dear_shadow, feedback=True)
        busy = LoadRequest("drill-dear-canary", story.reviews, traffic.busy)
        with ExitStack() as loads:
            loads.enter_context(story.loads.running(quiet))
            story.connections.controller.start(story.model, story.versions["dear"])
            begun: set[str] = set()

            def send_more(status: Any) -> None:
                if status["phase"] == "CANARY" and not begun:
                    begun.add(busy.name)
                    loads.enter_context(story.loads.running(busy))

            story.follow_rollout("ROLLED_BACK", send_more)
            pause(_AFTERWARDS_SECONDS)
        tell_counts(story, story.loads.counts(busy.name))


def roll_back_by_hand(story: Story) -> None:
    """One command returns the traffic to an earlier Production."""
    with story.narrator.step(9, "Roll back by hand, to the Keras version"):
        load = LoadRequest("rollback-by-hand", story.reviews, story.plan.traffic.usual)
        with story.loads.running(load):
            story.narrator.tell(
                f"isogloss rollout rollback {story.model} --to keras --reason 'by hand'"
            )
            answer = story.connections.controller.rollback(
                story.model, "demo: by hand", story.versions["keras"]
            )
            story.narrator.tell(f"in effect {answer['milliseconds']:.0f} ms after the decision")
            pause(_AFTERWARDS_SECONDS)
        tell_counts(story, story.loads.counts(load.name))


def _stage_with_waiver(story: Story, name: str, reason: str) -> None:
    run = await_job(story.jobs.pop(name), story.narrator.tell)
    story.register(name, run)
    story.evaluate(name)
    story.waive_failed_gates(name, reason)
    story.promote(name)
