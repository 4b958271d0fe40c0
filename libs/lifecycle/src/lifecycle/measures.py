"""What a Gate can limit: each measure by its name, with the kind of limit that fits it.

How bounds of a measure follow from counts is `stats.measures`'; a test holds both tables equal.
"""

from collections.abc import Mapping

from lifecycle.evidence import EvidenceKind
from lifecycle.explanations import EXPLAINED

MEASURES: Mapping[EvidenceKind, frozenset[str]] = {
    EvidenceKind.OFFLINE: frozenset(
        {
            "macro_f1",
            "accuracy",
            "macro_f1_difference",
            "calibration_error",
            "invariance_failures",
            "direction_failures",
            "minimum_functionality_failures",
            "leaked_ratio",
        }
        | EXPLAINED
    ),
    EvidenceKind.LATENCY: frozenset(
        {
            "latency_ms_p95",
            "latency_ms_p99",
            "latency_ratio_p95",
            "latency_ratio_p99",
            "artifact_bytes",
            "memory_bytes",
        }
    ),
    EvidenceKind.SHADOW: frozenset(
        {
            "disagreement",
            "accuracy_difference",
            "coverage",
            "error_difference",
            "live_latency_ms_p95",
            "live_latency_ms_p99",
            "live_latency_ratio_p95",
            "live_latency_ratio_p99",
        }
    ),
    EvidenceKind.CANARY: frozenset(
        {"error_ratio", "slow_ratio", "error_difference", "slow_difference"}
    ),
}
COMPARISONS = frozenset(
    {
        "macro_f1_difference",
        "accuracy_difference",
        "disagreement",
        "latency_ratio_p95",
        "latency_ratio_p99",
        "live_latency_ratio_p95",
        "live_latency_ratio_p99",
        "error_difference",
        "slow_difference",
    }
)
"""Measures that need a Baseline; without one there is nothing to compare and they are skipped."""

SCORES = frozenset({"macro_f1", "accuracy", "coverage", "explanation_faithfulness"})
DIFFERENCES = frozenset({"macro_f1_difference", "accuracy_difference"})
APART = DIFFERENCES | {"error_difference", "slow_difference"}
"""Measures that are one share less another: they and their limits lie in [-1, 1]."""
RATES = frozenset(
    {
        "accuracy",
        "coverage",
        "disagreement",
        "error_ratio",
        "slow_ratio",
        "invariance_failures",
        "direction_failures",
        "minimum_functionality_failures",
        "explanation_sum_failures",
        "explanation_repeat_failures",
    }
)
"""Measures judged by a confidence sequence on a rate, whose limit lies strictly inside (0, 1)."""
BOOTSTRAPPED = frozenset({"macro_f1", "macro_f1_difference", "calibration_error"})
"""Measures judged by a bootstrap, which takes a few rows without an error for certainty."""
FEWEST_ROWS = 100
"""What a bootstrapped measure needs at least on its Slice; fewer rows settle nothing."""
LEAST_COVERAGE = 0.99
"""Under this share of pairs no shadow PASSes: who is missing may be whoever it fails for."""
