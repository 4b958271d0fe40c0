"""Measuring one version for its offline Gates: answers first, then single predictions' times.

Both happen over HTTP in the serving process, so that what is measured is what will be served.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lifecycle.evidence import EvidenceKind
from lifecycle.policies import GatePolicy
from training_jobs.dataset.prepared import TEST, Lock
from training_jobs.dataset.rows import Rows
from training_jobs.gate.asking import ask_texts, label_indices
from training_jobs.gate.cells import SetAnswers
from training_jobs.gate.latency import Latencies, Load, measure_latencies
from training_jobs.ports import PredictorPlace
from training_jobs.progress import Tell

CANDIDATE, BASELINE = "candidate", "baseline"

# An upper bound of p99 needs 299 requests, and 1,000 put p95 between ranks 939 and 961.
_REQUESTS = 1000
_WARM_UP = 100
_DEFAULT_PER_SECOND = 20.0


@dataclass(frozen=True)
class Places:
    """Where both versions are served; `baseline` None where there is nothing to compare with."""

    candidate: PredictorPlace
    baseline: PredictorPlace | None

    @property
    def by_role(self) -> dict[str, PredictorPlace]:
        """The places there are."""
        both = {CANDIDATE: self.candidate, BASELINE: self.baseline}
        return {role: place for role, place in both.items() if place is not None}


def answer_sets(
    places: Places, sets: Mapping[str, Rows], lock: Lock, now: Callable[[], float], tell: Tell
) -> dict[str, SetAnswers]:
    """Have every set answered by both versions; the pinned test set first."""
    found = {}
    for name in sorted(sets, key=lambda name: name != TEST):
        rows = sets[name]
        started_at = now()
        answered = ask_texts(places.by_role, rows.texts)
        ended_at = now()
        tell(f"{name}: {len(rows):,} rows answered in {ended_at - started_at:.1f} s")
        by_role = {role: label_indices(a, lock.labels, role) for role, a in answered.items()}
        found[name] = SetAnswers(
            rows=rows,
            candidate=by_role[CANDIDATE],
            baseline=by_role.get(BASELINE),
            started_at=started_at,
            ended_at=ended_at,
            confidences=[answer.confidence for answer in answered[CANDIDATE]],
        )
    return found


def load_of(policy: GatePolicy) -> float:
    """Return the highest rate that any latency Gate asks for, per second."""
    gates = (gate for gate in policy.gates if gate.evidence is EvidenceKind.LATENCY)
    return max((gate.load_per_second for gate in gates), default=_DEFAULT_PER_SECOND)


def time_predictions(
    places: Places, rows: Rows, per_second: float, tell: Tell
) -> dict[str, Latencies]:
    """Time single predictions of both versions, `per_second` each."""
    # Always the same texts, so that two versions are not compared on different ones.
    texts = random.Random(0).sample(rows.texts, min(len(rows), _WARM_UP + _REQUESTS))  # noqa: S311
    load = Load(texts, per_second, _REQUESTS, _WARM_UP)
    tell(f"timing {load.requests:,} single predictions at {per_second:g} per second")
    measured = measure_latencies(places.by_role, load)
    for role, latencies in measured.items():
        tell(f"{role}: {summary(latencies)}")
    return measured


def summary(latencies: Latencies) -> str:
    """Say in a line how long predictions took."""
    p50, p95 = (quantile(latencies, q) for q in (0.5, 0.95))
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, {latencies.failed} without an answer"


def quantile(latencies: Latencies, q: float) -> float:
    """Return the q-quantile of the counted requests in ms; `inf` when it was not answered."""
    ordered = sorted(latencies.milliseconds)
    return ordered[math.ceil(q * len(ordered)) - 1]
