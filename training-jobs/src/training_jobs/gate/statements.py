"""What was measured as Evidence: bound to the exact bytes it was measured on, with an expiry.

`details` are for readers; no Gate looks at them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects
from training_jobs.dataset.prepared import TEST, Lock
from training_jobs.gate.cells import (
    SetAnswers,
    measure_calibration,
    measure_slices,
    measure_whole,
)
from training_jobs.gate.evaluation import BASELINE, CANDIDATE, quantile
from training_jobs.gate.latency import Latencies, measurement_of, pair_of

PRODUCER = "training-jobs evaluate"


@dataclass(frozen=True)
class Occasion:
    """Of which model and of what exactly, and when (seconds since the epoch, UTC)."""

    model: str
    subjects: Subjects
    produced_at: float
    expires_at: float


def state_answers(
    occasion: Occasion,
    answers: Mapping[str, SetAnswers],
    lock: Lock,
    others: Sequence[Measurement] = (),
) -> Evidence:
    """Return offline Evidence: every Slice of the test set, every other set as one Slice, and
    what `others` were measured.
    """
    measurements = measure_slices(answers[TEST], lock.labels, lock.test_set_digest)
    measurements += [measure_calibration(answers[TEST], lock.test_set_digest), *others]
    for name in answers.keys() - {TEST}:
        source = str(lock.sets[name]["digest"])
        measurements.append(measure_whole(answers[name], name, lock.labels, source))
    details = {"dataset": lock.name, "dataset_version": lock.version}
    return _state(occasion, EvidenceKind.OFFLINE, measurements, details)


def state_latencies(
    occasion: Occasion,
    latencies: Mapping[str, Latencies],
    per_second: float,
    footprint: Mapping[str, int],
) -> Evidence:
    """Return latency Evidence: the Candidate's, beside the Baseline's where there is one, and its
    footprint in bytes.
    """
    source, candidate = f"open loop at {per_second:g} per second", latencies[CANDIDATE]
    measurements = [measurement_of(candidate, source)]
    if BASELINE in latencies:
        measurements.append(pair_of(candidate, latencies[BASELINE], source))
    at = occasion.produced_at
    measurements.append(Measurement("footprint", "all", 1, footprint, "serving process", at, at))
    details = {
        "load_per_second": per_second,
        "unanswered": {role: held.failed for role, held in latencies.items()},
        "p95_ms": {role: _finite(quantile(held, 0.95)) for role, held in latencies.items()},
    }
    return _state(occasion, EvidenceKind.LATENCY, measurements, details)


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
