"""What was measured as Evidence: bound to the exact bytes it was measured on, with an expiry.

`details` are for readers; no Gate looks at them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects
from training_jobs.dataset.prepared import TEST, Lock
from training_jobs.gate.cells import SetAnswers, measure_slices, measure_whole
from training_jobs.gate.evaluation import CANDIDATE, quantile
from training_jobs.gate.latency import Latencies, measurement_of

PRODUCER = "training-jobs evaluate"


@dataclass(frozen=True)
class Occasion:
    """Of which model and of what exactly, and when (seconds since the epoch, UTC)."""

    model: str
    subjects: Subjects
    produced_at: float
    expires_at: float


def state_answers(occasion: Occasion, answers: Mapping[str, SetAnswers], lock: Lock) -> Evidence:
    """Return offline Evidence: every Slice of the test set, every other set as one Slice."""
    measurements = measure_slices(answers[TEST], lock.labels, lock.test_set_digest)
    for name in answers.keys() - {TEST}:
        source = str(lock.sets[name]["digest"])
        measurements.append(measure_whole(answers[name], name, lock.labels, source))
    details = {"dataset": lock.name, "dataset_version": lock.version}
    return _state(occasion, EvidenceKind.OFFLINE, measurements, details)


def state_latencies(
    occasion: Occasion, latencies: Mapping[str, Latencies], per_second: float
) -> Evidence:
    """Return latency Evidence of the Candidate; the Baseline's quantiles stand in the details."""
    measurement = measurement_of(latencies[CANDIDATE], f"open loop at {per_second:g} per second")
    details = {
        "load_per_second": per_second,
        "unanswered": {role: held.failed for role, held in latencies.items()},
        "p95_ms": {role: _finite(quantile(held, 0.95)) for role, held in latencies.items()},
    }
    return _state(occasion, EvidenceKind.LATENCY, [measurement], details)


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else round(value, 3)


def _state(
    occasion: Occasion,
    kind: EvidenceKind,
    measurements: list[Measurement],
    details: Mapping[str, Any],
) -> Evidence:
    return Evidence(
        kind=kind,
        model=occasion.model,
        subjects=occasion.subjects,
        measurements=tuple(measurements),
        producer=PRODUCER,
        produced_at=occasion.produced_at,
        expires_at=occasion.expires_at,
        details=details,
    )
