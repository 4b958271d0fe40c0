"""Step 6: a better version goes through shadow and canary; the old one may not come back."""

from contextlib import ExitStack

from isogloss.demo.first_release import tell_counts, tell_metrics
from isogloss.demo.growing import GrowingTraffic
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.failures import Refused
from isogloss.jobs import run_job
from isogloss.train import TrainingRequest, training_arguments
from isogloss.verdicts import verdict_lines


def release_better(story: Story) -> None:
    """Train, judge against PRODUCTION, mirror, shift, promote; then offer the old one again."""
    with story.narrator.step(6, "Replace it by a better version, tfidf_linear"):
        _train_and_stage(story)
        traffic = story.plan.traffic
        load = LoadRequest("better-version", story.reviews, traffic.shadow, feedback=True)
        # A tenth of the shadow's traffic alone would take its time to show a canary's health.
        canary = LoadRequest("better-version-more", story.reviews, traffic.canary)
        with ExitStack() as loads:
            loads.enter_context(story.loads.running(load))
            more = GrowingTraffic(story, loads, canary, most=1)
            story.connections.controller.start(story.model, story.versions["tfidf"])
            story.follow_rollout("SUCCEEDED", more)
        for name in [load.name, *more.names]:
            tell_counts(story, story.loads.counts(name))
        _offer_again(story)


def _train_and_stage(story: Story) -> None:
    request = TrainingRequest(story.plan.project, "tfidf_linear", (), story.plan.rows)
    run = run_job(story.plan.home, training_arguments(request), story.narrator.tell)
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
