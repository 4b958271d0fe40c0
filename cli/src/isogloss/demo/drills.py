"""Steps 7 to 9: three ways back. Two bad versions are let past the offline Gates by a waiver that
is on record and expires; no part is told to misbehave.

The one by hand comes first, because then the Baseline is still loaded: it stays so until the next
Rollout needs its place.
"""

import json
from contextlib import ExitStack
from pathlib import Path

from isogloss.adapters.processes import pause
from isogloss.demo.first_release import tell_counts
from isogloss.demo.growing import GrowingTraffic
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.files import write_whole
from isogloss.jobs import await_job
from isogloss.load.texts import read_texts

_AFTERWARDS_SECONDS = 3.0
"""Load goes on so long after a rollback that a late bad answer would be counted."""


def roll_back_by_hand(story: Story) -> None:
    """One command returns the traffic to the Baseline, which is still loaded."""
    with story.narrator.step(7, "Roll back by hand: somebody complains"):
        load = LoadRequest("rollback-by-hand", story.reviews, story.plan.traffic.usual)
        reason = "drill: by hand"
        with story.loads.running(load):
            story.narrator.tell(f"isogloss rollout rollback {story.model} --reason '{reason}'")
            answer = story.connections.controller.rollback(story.model, reason)
            story.narrator.tell(
                f"to {story.nickname(answer['to'])}, in effect after "
                f"{answer['milliseconds']:.0f} ms"
            )
            pause(_AFTERWARDS_SECONDS)
        tell_counts(story, story.loads.counts(load.name))


def stop_in_shadow(story: Story) -> None:
    """A version that learnt every label wrong never gets to answer a user."""
    with story.narrator.step(8, "Drill: a version trained on flipped labels"):
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
    with story.narrator.step(9, "Drill: a version a hundred times dearer, while traffic grows"):
        _stage_with_waiver(story, "dear", "drill: must be rolled back in the canary")
        traffic = story.plan.traffic
        usual = LoadRequest("drill-dear", story.reviews, traffic.shadow, feedback=True)
        with ExitStack() as loads:
            loads.enter_context(story.loads.running(usual))
            longest = LoadRequest("drill-dear-more", _longest_reviews(story), traffic.more)
            more = GrowingTraffic(story, loads, longest, most=3)
            story.connections.controller.start(story.model, story.versions["dear"])
            story.follow_rollout("ROLLED_BACK", more)
            pause(_AFTERWARDS_SECONDS)
        for name in [usual.name, *more.names]:
            tell_counts(story, story.loads.counts(name))


def _longest_reviews(story: Story) -> Path:
    """Write the test set's longest reviews to a file: what is dear shows on them soonest."""
    reviews = read_texts(story.reviews)
    longest = sorted(reviews, key=lambda review: len(review.text))[-story.plan.traffic.longest :]
    lines = (json.dumps({"text": review.text, "label": review.label}) for review in longest)
    path = story.plan.home.root / "demo" / "longest-reviews.jsonl"
    write_whole(path, "\n".join(lines).encode())
    return path


def _stage_with_waiver(story: Story, name: str, reason: str) -> None:
    run = await_job(story.jobs.pop(name), story.narrator.tell)
    story.register(name, run)
    story.evaluate(name)
    story.waive_failed_gates(name, reason)
    story.promote(name)
