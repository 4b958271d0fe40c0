"""One training run: what is fitted, on which rows, how it is judged, and all that is logged.

Only the training part is learnt from; the test set and the other sets are answered afterwards.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sklearn.metrics import classification_report

from lifecycle.commits import FILE_NAME as COMMIT_NAME
from lifecycle.datasets import LOCK_NAME, ROWS_FOLDER, SPEC_NAME, rows_name
from lifecycle.digests import NO_CONTENT
from lifecycle.prompts import FILE_NAME as PROMPT_NAME
from lifecycle.prompts import Prompt
from lifecycle.training import PLAN_NAME
from textmodels.artifacts import Manifest, save_artifact
from textmodels.families import EngineMissing, Fitted, Start, fit_from
from textmodels.verification import VerificationError
from training_jobs.dataset.prepared import TEST, TRAIN, Lock
from training_jobs.dataset.rows import NO_LABEL, Rows
from training_jobs.names import run_name
from training_jobs.plans import Plan, Recipe
from training_jobs.ports import Commit, TrackedRun, Tracker
from training_jobs.progress import Tell
from training_jobs.refusals import JobRefused
from training_jobs.reports.answers import Answers, ask
from training_jobs.reports.confusion_matrix import draw_confusion_matrix
from training_jobs.reports.environment import environment_digest, write_environment
from training_jobs.reports.scores import confusions, metrics
from training_jobs.reports.tokenisation import tokenisation_statistics

ARTIFACT_PATH = "model"
NO_PROMPT = "none"
"""Prompt version of a model that is not prompted."""

_WAYS = {
    "onnx": "use the image whose tag ends in -encoder, or install isogloss-training-jobs[encoder]",
    "tensorflow-cpu": "use the image whose tag has no ending, or install "
    "isogloss-training-jobs[tensorflow]",
}
"""How to come by what trains a family, where it is no dependency of every job."""


@dataclass(frozen=True)
class Request:
    """What to train. `flip_labels` makes a drill's bad version; `first_rows` keeps only so many
    rows of the training part; the model is also copied to `keep_in`.
    """

    plan: Plan
    recipe: Recipe
    commit: Commit
    image: str
    flip_labels: bool = False
    first_rows: int | None = None
    prompt: Prompt | None = None
    keep_in: Path | None = None
    pretrained: Mapping[str, bytes] = field(default_factory=dict)
    """The files that the recipe's `pretrained` names."""


@dataclass(frozen=True)
class PreparedData:
    """A data set's lock, its `dataset.yaml` and all of its sets."""

    lock: Lock
    spec: bytes
    sets: Mapping[str, Rows]

    @property
    def train(self) -> Rows:
        """The training part."""
        return self.sets[TRAIN]

    @property
    def judged(self) -> Mapping[str, Rows]:
        """The labelled sets that are answered afterwards, `test` among them."""
        others = {name: rows for name, rows in self.sets.items() if name != TRAIN}
        return {name: rows for name, rows in others.items() if NO_LABEL not in rows.labels}


def train_and_log(
    request: Request, data: PreparedData, tracker: Tracker, started: float, tell: Tell
) -> dict[str, Any]:
    """Run it all; returns the job's result. Nothing is logged as FINISHED unless all went well."""
    plan, recipe = request.plan, request.recipe
    name = run_name(plan.model, recipe.name, data.lock.version, request.commit.id, started)
    with tracker.run(plan.model, name, _tags(request, data.lock)) as run:
        tell(f"run {name}")
        if request.commit.changed:
            tell("the project holds changes that are in no commit: the run is tagged so")
        fitted = _fit(request, data, tell)
        run.log_params(_params(fitted, request, data))
        for step, entry in enumerate(fitted.training_log):
            run.log_metrics({f"training/{key}": value for key, value in entry.items()}, step)
        with tempfile.TemporaryDirectory() as directory:
            manifest, measured = _judge(run, fitted, request, data, Path(directory))
            run.log_metrics(measured)
            tell("logging the artifacts")
            run.log_files(Path(directory))
    tell(f"macro-F1 {measured['f1_macro']:.4f} on the test set; {manifest.digest}")
    return {
        "job": "train",
        "model": plan.model,
        "family": recipe.name,
        "run_id": run.run_id,
        "run_name": name,
        "artifact_path": ARTIFACT_PATH,
        "digest": manifest.digest,
        "metrics": measured,
    }


def _fit(request: Request, data: PreparedData, tell: Tell) -> Fitted:
    rows = data.train.select(range(len(data.train))[: request.first_rows])
    names = data.lock.labels
    # A flipped label is the next one; with two labels, the other one.
    shift = 1 if request.flip_labels else 0
    labels = [names[(label + shift) % len(names)] for label in rows.labels]
    recipe, seed = request.recipe, request.plan.seed
    start = Start(recipe.family, request.pretrained)
    try:
        return fit_from(start, rows.texts, labels, recipe.params, seed, tell)
    except (ValueError, VerificationError) as error:
        raise JobRefused(f"{recipe.name} cannot be trained: {error}") from error
    except EngineMissing as missing:
        raise JobRefused(
            f"{recipe.name} is trained with {missing.engine}, which is not installed here: "
            f"{_WAYS[missing.engine]}"
        ) from missing


def _judge(
    run: TrackedRun, fitted: Fitted, request: Request, data: PreparedData, directory: Path
) -> tuple[Manifest, dict[str, float]]:
    """Have every set answered; write the reports and the model into `directory`."""
    labels, judged = data.lock.labels, data.judged
    answers, reference = ask(fitted.predictor, judged[TEST], labels)
    by_slice = confusions(answers, len(labels))
    title = f"{request.plan.model} {request.recipe.name}, {data.lock.name} {data.lock.version}"
    draw_confusion_matrix(by_slice["all"], labels, title, directory / "confusion_matrix.png")
    statistics = {TEST: tokenisation_statistics(answers)}
    for name in judged.keys() - {TEST}:
        others, _ = ask(fitted.predictor, judged[name], labels)
        by_slice[name] = confusions(others, len(labels))["all"]
        statistics[name] = tokenisation_statistics(others)
    _write_reports(directory, answers, labels, statistics)
    _write_origins(directory, request, data)
    lineage = _lineage(request, data.lock, run.run_id)
    manifest = save_artifact(directory / ARTIFACT_PATH, fitted, lineage, reference)
    if request.keep_in:
        shutil.copytree(directory / ARTIFACT_PATH, request.keep_in, dirs_exist_ok=True)
    return manifest, metrics(by_slice)


def _write_origins(directory: Path, request: Request, data: PreparedData) -> None:
    """Write what the model is made from, of which the registry-proxy computes the digests itself:
    the data set as its lock and row ids, plan and prompt as they are, the commit's objects.
    """
    (directory / SPEC_NAME).write_bytes(data.spec)
    (directory / PLAN_NAME).write_bytes(request.plan.content)
    _write_json(directory / LOCK_NAME, asdict(data.lock))
    rows_folder = directory / ROWS_FOLDER
    rows_folder.mkdir()
    for name, rows in data.sets.items():
        with (rows_folder / rows_name(name)).open("wb") as file:
            file.writelines(rows.lines())
    if request.prompt:
        (directory / PROMPT_NAME).write_bytes(request.prompt.content)
    if request.commit.proof is not None:
        (directory / COMMIT_NAME).write_bytes(request.commit.proof)


def _write_reports(
    directory: Path, answers: Answers, labels: tuple[str, ...], statistics: Mapping[str, Any]
) -> None:
    environment = directory / "environment"
    environment.mkdir()
    _write_json(environment / "environment.json", write_environment(environment))
    _write_json(directory / "tokenisation_statistics.json", statistics)
    asked = {
        "y_true": answers.rows.labels,
        "y_pred": answers.predicted,
        "labels": range(len(labels)),
        "target_names": labels,
        "digits": 4,
        "zero_division": 0,
    }
    _write_json(
        directory / "classification_report.json", classification_report(**asked, output_dict=True)
    )
    text = classification_report(**asked)
    (directory / "classification_report.txt").write_text(text, encoding="utf-8")


def _tags(request: Request, lock: Lock) -> dict[str, str]:
    tags = {
        "dataset": lock.name,
        "dataset_version": lock.version,
        "dataset_digest": lock.dataset_digest,
        "test_set_digest": lock.test_set_digest,
        **_prompt_version(request),
        "commit": request.commit.id,
        "family": request.recipe.name,
        "task": lock.task,
        "language": lock.language,
        "owner": request.plan.owner,
        "license": lock.license,
    }
    if request.commit.changed:
        tags["uncommitted_changes"] = "true"
    if request.flip_labels:
        tags["drill"] = "flipped-labels"
    if request.first_rows is not None:
        tags["first_rows"] = str(request.first_rows)
    return tags


def _prompt_version(request: Request) -> dict[str, str]:
    if request.prompt is None:
        return {"prompt_version": NO_PROMPT}
    return {"prompt": request.prompt.name, "prompt_version": request.prompt.version}


def _params(fitted: Fitted, request: Request, data: PreparedData) -> dict[str, str]:
    rows = len(range(len(data.train))[: request.first_rows])
    params = {"engine_family": fitted.family, "training_rows": rows, **fitted.params}
    if request.recipe.pretrained is not None:
        params["pretrained"] = request.recipe.pretrained.requirement
    return {key: str(value) for key, value in params.items()}


def _lineage(request: Request, lock: Lock, run_id: str) -> dict[str, str]:
    lineage = {
        "dataset": lock.name,
        "dataset_version": lock.version,
        "dataset_digest": lock.dataset_digest,
        "test_set_digest": lock.test_set_digest,
        **_prompt_version(request),
        "prompt_digest": request.prompt.digest if request.prompt else NO_CONTENT,
        "commit": request.commit.id,
        "run_id": run_id,
        "image": request.image,
        "environment_digest": environment_digest(),
    }
    return lineage | ({"drill": "flipped-labels"} if request.flip_labels else {})


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
