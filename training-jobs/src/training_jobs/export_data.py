"""The export-data job: a prepared data set described as Croissant, for tools that are not ours."""

import argparse
import json
from pathlib import Path
from typing import Any

from lifecycle.digests import sha256_digest
from training_jobs.check_data import prepare_project
from training_jobs.dataset.croissant import CROISSANT_NAME, to_croissant
from training_jobs.dataset.prepared import directory_of
from training_jobs.dataset.specs import load_spec
from training_jobs.progress import tell
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs export-data examples/sentiment
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("project", type=Path, help="directory that holds dataset.yaml")


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Prepare the data if it is not, write the description beside it, return where it is."""
    spec = load_spec(arguments.project)
    lock = prepare_project(arguments.project, spec, settings)
    directory = directory_of(settings.data, spec.name, spec.version)
    document = to_croissant(spec, lock, directory)
    content = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    path = directory / CROISSANT_NAME
    path.write_bytes(content)
    tell(f"{lock.name} {lock.version} is described in {path}")
    result = {"job": "export-data", "dataset": lock.name, "dataset_version": lock.version}
    return {**result, "croissant": str(path), "digest": sha256_digest(content)}, 0
