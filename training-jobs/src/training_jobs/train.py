"""The train job: prepared data and a recipe of `train.yaml` in, a run in MLflow out."""

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifecycle.verdicts import Outcome
from textmodels.families import FAMILIES
from training_jobs.adapters.commits import commit_of
from training_jobs.adapters.packages import Sources, read_folder
from training_jobs.adapters.tracking import open_tracker
from training_jobs.check_data import prepare_project
from training_jobs.contents import load_prompt
from training_jobs.dataset.prepared import directory_of, read_lock, read_set
from training_jobs.dataset.specs import load_spec
from training_jobs.offline_gate import judge_artifact
from training_jobs.plans import Recipe, load_plan, with_settings
from training_jobs.progress import tell
from training_jobs.runs import PreparedData, Request, train_and_log
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs train examples/sentiment --family keras_embedding
  python -m training_jobs train examples/sentiment --family tfidf_linear --set C=4.0 --rows 2000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("project", type=Path, help="directory of dataset.yaml and train.yaml")
    parser.add_argument("--family", required=True, help="one of the families in train.yaml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of the family, over what train.yaml says; may be repeated",
    )
    parser.add_argument(
        "--validation-share", type=float, help="short for --set validation_share=SHARE"
    )
    parser.add_argument(
        "--rows", type=_positive, help="learn from the first so many rows of the training part"
    )
    parser.add_argument(
        "--flip-labels",
        action="store_true",
        help="a drill: learn every label wrong, so that the version must be stopped later",
    )
    parser.add_argument(
        "--judge",
        action="store_true",
        help="then judge the model by the project's offline Gates; exit code 1 unless they PASS",
    )
    parser.add_argument("--keep", type=Path, help="directory to copy the model to; new or empty")
    parser.add_argument(
        "--tracking-uri", help="MLflow server; else MLFLOW_TRACKING_URI, else the registry-proxy"
    )


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Train and log, and judge where that is asked; returns the result and the exit code."""
    if not arguments.judge:
        return _train(arguments, settings, arguments.keep), 0
    with tempfile.TemporaryDirectory() as directory:
        kept = arguments.keep or Path(directory) / "model"
        result = _train(arguments, settings, kept)
        _, verdict = judge_artifact(arguments.project, kept, settings.data)
    code = 0 if verdict.outcome is Outcome.PASS else 1
    return {**result, "verdict": verdict.to_dict()}, code


def _train(
    arguments: argparse.Namespace, settings: TrainingSettings, keep_in: Path | None
) -> dict[str, Any]:
    plan = load_plan(arguments.project)
    given = list(arguments.set)
    if arguments.validation_share is not None:
        given.append(f"validation_share={arguments.validation_share}")
    recipe = with_settings(plan.recipe(arguments.family), given)
    request = Request(
        plan=plan,
        recipe=recipe,
        commit=commit_of(arguments.project, settings.commit),
        image=settings.image,
        flip_labels=arguments.flip_labels,
        first_rows=arguments.rows,
        keep_in=keep_in,
        prompt=load_prompt(arguments.project, recipe.prompt) if recipe.prompt else None,
        pretrained=read_pretrained(recipe, arguments.project, settings),
    )
    tracker = open_tracker(arguments.tracking_uri, settings)
    data = _prepared(arguments.project, settings)
    return train_and_log(request, data, tracker, time.time(), tell)


def read_pretrained(
    recipe: Recipe, project: Path, settings: TrainingSettings
) -> Mapping[str, bytes]:
    """Return the files of the model that a recipe starts from, fetched unless they are here."""
    if recipe.pretrained is None:
        return {}
    file = Sources(project, settings.package_cache, tell).fetch(recipe.pretrained)
    return read_folder(file, recipe.pretrained, FAMILIES[recipe.family].PRETRAINED_FILE_NAMES)


def _prepared(project: Path, settings: TrainingSettings) -> PreparedData:
    spec = load_spec(project)
    directory = directory_of(settings.data, spec.name, spec.version)
    lock = read_lock(directory)
    if lock is None or lock.spec_digest != spec.digest:
        lock = prepare_project(project, spec, settings)
    sets = {name: read_set(directory, lock, name) for name in lock.sets}
    return PreparedData(lock, spec.content, sets)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return number
