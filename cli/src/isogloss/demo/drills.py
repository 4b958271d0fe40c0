"""Steps 7 to 10: three ways back. Two bad versions are let past the offline Gates by a waiver that
is on record and expires; no part is told to misbehave.

The one by hand comes first, because then the Baseline is still loaded: it stays so until the next
Rollout needs its place.
"""

from contextlib import ExitStack

from isogloss.adapters.processes import pause
from isogloss.demo.first_release import tell_counts
from isogloss.demo.growing import GrowingTraffic
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.evaluate import evaluating
from isogloss.jobs import await_job

_BAD = {
    "flipped": "must be stopped in shadow",
    "dear": "must be rolled back in the canary",
}
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


def let_bad_versions_past(story: Story) -> None:
    """Measure two bad versions; what does not PASS is waived, by name, for an hour."""
    with story.narrator.step(8, "Let two bad versions past the offline Gates, by waiver"):
        for name in _BAD:
            story.register(name, await_job(story.jobs.pop(name), story.narrator.tell))
        with ExitStack() as measuring:
            jobs = {
                name: measuring.enter_context(
                    evaluating(
                        story.plan.home, story.connections, story.model, story.versions[name]
                    )
                )
                for name in _BAD
            }
            for name, job in jobs.items():
                story.narrator.tell(f"{name}:")
                await_job(job, story.narrator.tell)
        for name, reason in _BAD.items():
            story.waive_failed_gates(name, f"drill: {reason}")
            story.promote(name)


def stop_in_shadow(story: Story) -> None:
    """A version that learnt every label wrong never gets to answer a user."""
    with story.narrator.step(9, "Drill: the version trained on flipped labels"):
        load = LoadRequest("drill-flipped", story.reviews, story.plan.traffic.usual, feedback=True)
        with story.loads.running(load):
            story.connections.controller.start(story.model, story.versions["flipped"])
            story.follow_rollout("ABORTED")
        counts = story.loads.counts(load.name)
        tell_counts(story, counts)
        answers = counts["versions"].get(story.versions["flipped"], {"requests": 0})["requests"]
        story.narrator.tell(f"users' answers by the flipped version: {answers}")


def roll_back_from_canary(story: Story) -> None:
    """A version that answers rightly and is too dear fails on real traffic, and goes by itself."""
    with story.narrator.step(10, "Drill: the dear version, as traffic grows"):
        traffic = story.plan.traffic
        usual = LoadRequest("drill-dear", story.reviews, traffic.usual, feedback=True)
        growing = LoadRequest("drill-dear-more", story.reviews, traffic.usual)
        with ExitStack() as loads:
            loads.enter_context(story.loads.running(usual))
            more = GrowingTraffic(story, loads, growing, traffic.growing)
            story.connections.controller.start(story.model, story.versions["dear"])
            story.follow_rollout("ROLLED_BACK", more)
            pause(_AFTERWARDS_SECONDS)
        for name in [usual.name, *more.names]:
            tell_counts(story, story.loads.counts(name))
