"""The check-data job: is the data what `dataset.yaml` says, and where does it lie prepared."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lifecycle.verdicts import Outcome
from training_jobs.adapters.packages import Sources
from training_jobs.contents import Content, check_contents, contents_of, load_prompts
from training_jobs.dataset.prepare import (
    Preparation,
    check_table,
    outcome_of,
    prepare,
)
from training_jobs.dataset.prepared import Lock
from training_jobs.dataset.quality import CheckResult
from training_jobs.dataset.sources import CSV, LocalFile, Source
from training_jobs.dataset.specs import DatasetSpec, load_spec
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs check-data examples/sentiment
  python -m training_jobs check-data examples/sentiment --csv more-reviews.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("project", type=Path, help="directory that holds dataset.yaml")
    parser.add_argument(
        "--frozen",
        action="store_true",
        help="refuse versions that the project's contents.lock.json does not have, as CI does",
    )
    parser.add_argument(
        "--csv",
        type=Path,
        help="only check this file (columns text or review, label or sentiment) against the "
        "schema and limits of dataset.yaml; nothing is prepared",
    )


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Check and prepare; returns the result and the exit code."""
    spec = load_spec(arguments.project)
    sources = Sources(arguments.project, settings.package_cache, tell)
    if arguments.csv is not None:
        source = Source(arguments.csv.stem, LocalFile(arguments.csv.resolve()), CSV)
        checks = check_table(spec, sources.read(source), source)
        prepared = None
    else:
        prompts = load_prompts(arguments.project)
        prepared = prepare(spec, settings.data, sources.read, tell)
        checks = prepared.checks
        if prepared.lock is not None:
            dataset = Content("dataset", spec.name, spec.version, prepared.lock.dataset_digest)
            contents = contents_of(dataset, prompts)
            found = check_contents(arguments.project, contents, frozen=arguments.frozen)
            checks = (*checks, *found)
    tell_checks(checks)
    outcome = outcome_of(checks)
    return _result(spec, checks, prepared), 0 if outcome is Outcome.PASS else 1


def prepare_project(project: Path, spec: DatasetSpec, settings: TrainingSettings) -> Lock:
    """Prepare a project's data for another job; JobRefused when a check fails."""
    sources = Sources(project, settings.package_cache, tell)
    prepared = prepare(spec, settings.data, sources.read, tell)
    if prepared.lock is None:
        tell_checks(prepared.checks)
        raise JobRefused(f"the data of {spec.name} {spec.version} failed its checks, listed above")
    return prepared.lock


def tell_checks(checks: tuple[CheckResult, ...]) -> None:
    """Write one line per check, and the rows at fault under it."""
    for check in checks:
        tell(f"{check.outcome} {check.name}: {check.text}")
        for row in check.rows:
            tell(f"     {row}")


def _result(
    spec: DatasetSpec, checks: tuple[CheckResult, ...], prepared: Preparation | None
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "job": "check-data",
        "dataset": spec.name,
        "dataset_version": spec.version,
        "outcome": outcome_of(checks).value,
        "checks": [check.to_dict() for check in checks],
    }
    if prepared is not None and prepared.lock is not None:
        lock = asdict(prepared.lock)
        kept = ("dataset_digest", "test_set_digest", "sets", "counts", "slices")
        result |= {"directory": str(prepared.directory), **{key: lock[key] for key in kept}}
    return result
