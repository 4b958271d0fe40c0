"""Steps 3 to 5: a first version is trained, passes its floors, and serves users."""

from typing import Any

from isogloss.clients.gateway import predict
from isogloss.connections import gateway_of
from isogloss.demo.loads import LoadRequest
from isogloss.demo.story import Story
from isogloss.jobs import run_job, start_job
from isogloss.train import TrainingRequest, training_arguments

_SECONDS = 6
_DEAR = 8000
"""Training rows of the dear version: enough to be better than the Keras one, in a third of the
time that it would take for all."""
_NICENESS = 5
"""Of the version that is needed next; the drills' get twice that, as they are needed last."""


def train_first(story: Story) -> Any:
    """Train the Keras family; the versions of later steps train beside it, and give way to it."""
    plan = story.plan
    project, rows = plan.project, plan.rows
    later = {
        "tfidf": TrainingRequest(project, "tfidf_linear", rows=rows),
        "flipped": TrainingRequest(project, "tfidf_linear", rows=rows, flip_labels=True),
        "dear": TrainingRequest(project, "char_linear", rows=min(rows or _DEAR, _DEAR)),
    }
    with story.narrator.step(3, f"Train keras_embedding (and, meanwhile, {', '.join(later)})"):
        for name, request in later.items():
            niceness = _NICENESS if name == "tfidf" else 2 * _NICENESS
            story.jobs[name] = start_job(plan.home, training_arguments(request), niceness=niceness)
        request = TrainingRequest(project, "keras_embedding", rows=rows)
        run = run_job(plan.home, training_arguments(request), story.narrator.tell)
        tell_metrics(story, run)
    return run


def release_first(story: Story, run: Any) -> None:
    """Bring it to PRODUCTION: with nothing to compare with, on the floors alone."""
    with story.narrator.step(4, "Register, evaluate, promote, and release the first version"):
        story.register("keras", run)
        story.evaluate("keras")
        story.promote("keras")
        story.connections.controller.start(story.model, story.versions["keras"])
        story.follow_rollout("SUCCEEDED")


def serve_users(story: Story) -> None:
    """Send real test reviews through the gateway."""
    with story.narrator.step(5, "Serve users through the gateway"):
        rate = story.plan.traffic.usual
        request = LoadRequest("first-users", story.reviews, rate, _SECONDS)
        tell_counts(story, story.loads.run(request))
        answer = predict(gateway_of(story.plan.home), "A wonderful film, I laughed and cried.")
        story.narrator.tell(f"POST /predict: {answer['prediction']}, scores {answer['scores']}")
        story.narrator.tell(f"answered by {story.nickname(answer['version'])}")


def tell_metrics(story: Story, run: Any) -> None:
    """Tell what the training run measured on the test set."""
    metrics = [f"{name} {value:.4f}" for name, value in run["metrics"].items() if "f1" in name]
    story.narrator.tell(f"run {run['run_id']}: {', '.join(metrics)}")


def tell_counts(story: Story, counts: Any) -> None:
    """Tell a load run's counts."""
    shares = [
        f"{story.nickname(version)} {held['requests']:,}"
        for version, held in counts["versions"].items()
    ]
    story.narrator.tell(
        f"load generator: {counts['requests']:,} requests, {counts['failures']:,} failed; "
        f"answered by {', '.join(shares)}; p99 {counts['latency_ms']['p99']} ms"
    )
