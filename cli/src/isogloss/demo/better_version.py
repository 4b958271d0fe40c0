"""Step 6: a better version goes through shadow and canary; the old one may not come back."""

from contextlib import ExitStack

from isogloss.demo.first_release import tell_counts, tell_metrics
from isogloss.demo.growing import GrowingTraffic
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.failures import Refused
from isogloss.jobs import await_job
from isogloss.verdicts import verdict_lines


def release_better(story: Story) -> None:
    """Judge it against PRODUCTION, mirror, shift, promote; then offer the old one again."""
    with story.narrator.step(6, "Replace it by a better version, tfidf_linear"):
        _train_and_stage(story)
        traffic = story.plan.traffic
        load = LoadRequest("better-version", story.reviews, traffic.usual, feedback=True)
        canary = LoadRequest("better-version-more", story.reviews, traffic.canary)
        with ExitStack() as loads:
            loads.enter_context(story.loads.running(load))
            more = GrowingTraffic(story, loads, canary, [canary.rate])
            story.connections.controller.start(story.model, story.versions["tfidf"])
            story.follow_rollout("SUCCEEDED", more)
        for name in [load.name, *more.names]:
            tell_counts(story, story.loads.counts(name))
        _offer_again(story)


def _train_and_stage(story: Story) -> None:
    run = await_job(story.jobs.pop("tfidf"), story.narrator.tell)
    tell_metrics(story, run)
    story.register("tfidf", run)
    story.evaluate("tfidf")
    story.promote("tfidf")


def _offer_again(story: Story) -> None:
    story.narrator.tell("the Keras version is offered again, measured against the new one:")
    story.evaluate("keras")
    try:
        story.promote("keras")
    except Refused as refused:
        if refused.slug != "gate-refused":
            raise
        story.narrator.tell_all(verdict_lines(refused.problem["verdict"]))
        story.narrator.tell("refused, as it is worse than the version in PRODUCTION")
    else:
        raise Refused("the Keras version was let into STAGING although it is worse than PRODUCTION")
