"""The evaluate job: a version is measured where it is served, and the Evidence is handed in.

It measures and signs; whether a Gate is passed is the registry-proxy's decision.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lifecycle.digests import NO_CONTENT, sha256_digest
from lifecycle.evidence import PAYLOAD_TYPE, Evidence, Measurement, Subjects
from lifecycle.policies import GatePolicy
from lifecycle.policy_files import read_policy
from lifecycle.subjects import subjects_of
from servicekit.callers import read_token
from servicekit.signing import Signer, load_signer
from training_jobs.adapters.predictors import HttpPredictor
from training_jobs.adapters.registry import HttpRegistry
from training_jobs.dataset.prepared import TEST, TRAIN, Lock, find_by_test_set, read_set
from training_jobs.dataset.rows import NO_LABEL, Rows
from training_jobs.gate.behaviour import measure_behaviour
from training_jobs.gate.evaluation import Places, answer_sets, load_of, time_predictions
from training_jobs.gate.explanations import measure_explanations
from training_jobs.gate.leakage import measure_leakage
from training_jobs.gate.row_answers import write_row_answers
from training_jobs.gate.statements import Occasion, state_answers, state_latencies
from training_jobs.ports import Registry
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs evaluate --model sentiment --version 2 \\
    --candidate-url http://127.0.0.1:8402 --baseline-url http://127.0.0.1:8400
"""


@dataclass(frozen=True)
class Target:
    """The version to measure, what its Evidence must be bound to, the policy of today, and the
    digest of all that it learnt from and is judged on.
    """

    model: str
    subjects: Subjects
    policy: GatePolicy
    dataset_digest: str | None = None


@dataclass(frozen=True)
class PinnedSets:
    """The prepared data set whose test set is pinned, with its labelled sets and training part."""

    lock: Lock
    sets: dict[str, Rows]
    train: Rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--version", required=True, help="the version's number or digest")
    parser.add_argument("--candidate-url", required=True, help="where that version is served")
    parser.add_argument("--baseline-url", help="where the version in PRODUCTION is served")
    parser.add_argument(
        "--candidate-metrics-url", help="where its metrics are; by default the port after its own"
    )
    parser.add_argument("--registry-url", help="the registry-proxy's address")


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Measure, sign and hand in; returns the result and the exit code."""
    signer = load_signer(settings.signing_key)
    token = read_token(settings.token_of("gate"))
    with closing(HttpRegistry(arguments.registry_url or settings.registry_url, token)) as registry:
        target = find_target(registry, arguments.model, arguments.version)
        urls = (arguments.candidate_url, arguments.baseline_url, arguments.candidate_metrics_url)
        places = place_both(target, *urls)
        pinned = load_pinned(settings.data, target.subjects.dataset)
        size = registry.artifact_bytes(target.subjects.model)
        evidence, row_answers = measure(target, places, pinned, size, settings.home / "evaluations")
        posted = hand_in(registry, signer, evidence)
    result = {
        "job": "evaluate",
        "model": target.model,
        "digest": target.subjects.model,
        "baseline": target.subjects.baseline,
        "evidence": posted,
        "row_answers": str(row_answers),
    }
    return result, 0


def find_target(registry: Registry, model: str, reference: str) -> Target:
    """Ask the registry-proxy what to measure and what the Evidence must be bound to."""
    state = registry.model_state(model)
    version = state.find(reference)
    if version is None:
        known = ", ".join(str(v.number) for v in state.versions) or "none"
        raise JobRefused(f"{model} has no version {reference!r}; its versions are: {known}")
    content = registry.policy(model)
    subjects = subjects_of(state, version)
    if sha256_digest(content) != subjects.policy:
        raise JobRefused(f"the gate policy of {model} was just replaced; run evaluate again")
    policy = read_policy(yaml.safe_load(content))
    return Target(model, subjects, policy, version.lineage.get("dataset_digest"))


def place_both(
    target: Target,
    candidate_url: str,
    baseline_url: str | None,
    metrics_url: str | None = None,
) -> Places:
    """Say where both versions are served; JobRefused when that cannot be told."""
    model, subjects = target.model, target.subjects
    candidate = HttpPredictor("candidate", candidate_url, model, subjects.model, metrics_url)
    if subjects.baseline == NO_CONTENT:
        if baseline_url is not None:
            raise JobRefused(f"{model} has nothing in PRODUCTION; leave out --baseline-url")
        return Places(candidate, None)
    if baseline_url is None and subjects.baseline == subjects.model:
        baseline_url = candidate_url
    if baseline_url is None:
        raise JobRefused(
            f"{model} has {subjects.baseline} in PRODUCTION, and both must answer the same test "
            "set; give --baseline-url"
        )
    return Places(candidate, HttpPredictor("baseline", baseline_url, model, subjects.baseline))


def load_pinned(data: Path, test_set_digest: str) -> PinnedSets:
    """Load the test set with that digest, and the other labelled sets prepared with it."""
    directory, lock = find_by_test_set(data, test_set_digest)
    sets = {name: read_set(directory, lock, name) for name in lock.sets}
    train = sets.pop(TRAIN)
    labelled = {name: rows for name, rows in sets.items() if NO_LABEL not in rows.labels}
    return PinnedSets(lock, labelled, train)


def measure(
    target: Target, places: Places, pinned: PinnedSets, artifact_bytes: int, kept_in: Path
) -> tuple[list[Evidence], Path]:
    """Measure everything; returns offline and latency Evidence and the file of row answers."""
    answers = answer_sets(places, pinned.sets, pinned.lock, time.time, tell)
    others = list(_measure_leakage(target, pinned))
    if target.policy.behaviour:
        tell("asking the policy's behavioural tests")
        asked = (target.policy.behaviour, pinned.sets[TEST], pinned.lock.labels)
        others += measure_behaviour(places.candidate, *asked, time.time)
    if target.policy.asks_for_explanations:
        tell("asking why texts get their labels, and again without the words that are named")
        sample = target.policy.explanations
        others += measure_explanations(places.candidate, sample, pinned.sets[TEST], time.time)
    per_second = load_of(target.policy)
    latencies = time_predictions(places, pinned.sets[TEST], per_second, tell)
    footprint = _footprint(places, artifact_bytes)
    now = time.time()
    expires_at = now + target.policy.evidence_max_age_seconds
    occasion = Occasion(target.model, target.subjects, now, expires_at)
    statements = [
        state_answers(occasion, answers, pinned.lock, others),
        state_latencies(occasion, latencies, per_second, footprint),
    ]
    return statements, write_row_answers(kept_in, occasion, answers, pinned.lock.labels)


def hand_in(registry: Registry, signer: Signer, evidence: Sequence[Evidence]) -> dict[str, str]:
    """Sign and post every statement; returns the digests of the envelopes by kind."""
    return {
        statement.kind.value: registry.post_evidence(
            statement.model, signer.sign(PAYLOAD_TYPE, statement.to_bytes())
        )
        for statement in evidence
    }


def _measure_leakage(target: Target, pinned: PinnedSets) -> Iterator[Measurement]:
    """Yield nothing where the training part at hand is not the one that the version learnt from."""
    if target.dataset_digest != pinned.lock.dataset_digest:
        tell("leakage is not measured: the version learnt from another preparation of the data")
        return
    tell("looking for test rows in the training part")
    yield measure_leakage(pinned.train, pinned.sets[TEST], pinned.lock.dataset_digest, time.time())


def _footprint(places: Places, artifact_bytes: int) -> dict[str, int]:
    memory = places.candidate.memory_bytes()
    footprint = {"artifact_bytes": artifact_bytes}
    return footprint if memory is None else {**footprint, "memory_bytes": memory}
