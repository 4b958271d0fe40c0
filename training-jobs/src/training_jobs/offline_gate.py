"""The offline-gate job: would this artifact pass its project's offline Gates on their own?

For CI, before a version is registered. It signs nothing and compares with nothing in PRODUCTION:
the Evidence that counts is `evaluate`'s.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import yaml

from lifecycle.documents import DocumentRefused
from lifecycle.evidence import Measurement
from lifecycle.policies import GatePolicy
from lifecycle.policy_files import read_policy
from lifecycle.verdicts import Outcome, Verdict
from training_jobs.adapters.in_process import InProcess, open_artifact
from training_jobs.dataset.prepared import TEST
from training_jobs.evaluate import PinnedSets, load_pinned
from training_jobs.gate.behaviour import measure_behaviour
from training_jobs.gate.cells import measure_calibration, measure_slices
from training_jobs.gate.evaluation import Places, answer_sets
from training_jobs.gate.explanations import measure_explanations
from training_jobs.gate.judge import judge_offline
from training_jobs.gate.leakage import measure_leakage
from training_jobs.progress import tell
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs offline-gate examples/sentiment --artifact kept/model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("project", type=Path, help="directory that holds policy.yaml")
    parser.add_argument("--artifact", type=Path, required=True, help="directory of the artifact")


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Measure and judge; the exit code is 1 unless every Gate PASSes."""
    digest, verdict = judge_artifact(arguments.project, arguments.artifact, settings.data)
    result = {"job": "offline-gate", "digest": digest, "verdict": verdict.to_dict()}
    return result, 0 if verdict.outcome is Outcome.PASS else 1


def judge_artifact(project: Path, artifact: Path, data: Path) -> tuple[str, Verdict]:
    """Return the artifact's digest and the Verdict on it, whose reasons are told as they stand."""
    policy = _load_policy(project / "policy.yaml")
    manifest, place = open_artifact(artifact)
    pinned = load_pinned(data, manifest.lineage["test_set_digest"])
    verdict = judge_offline(policy, _measure(place, pinned, policy))
    for reason in verdict.reasons:
        tell(f"{reason.outcome} {reason.gate}: {reason.text}")
    return manifest.digest, verdict


def _measure(place: InProcess, pinned: PinnedSets, policy: GatePolicy) -> list[Measurement]:
    test, lock = pinned.sets[TEST], pinned.lock
    answers = answer_sets(Places(place, None), {TEST: test}, lock, time.time, tell)[TEST]
    found = measure_slices(answers, lock.labels, lock.test_set_digest)
    found.append(measure_calibration(answers, lock.test_set_digest))
    found.append(measure_leakage(pinned.train, test, lock.dataset_digest, time.time()))
    if policy.behaviour:
        found += measure_behaviour(place, policy.behaviour, test, lock.labels, time.time)
    if policy.asks_for_explanations:
        found += measure_explanations(place, policy.explanations, test, time.time)
    return found


def _load_policy(path: Path) -> GatePolicy:
    try:
        return read_policy(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        raise DocumentRefused(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise DocumentRefused(f"{path} is not YAML: {error}") from error
