"""Counts in, bounds out: every measure that a gate policy can limit, by its name.

One table for the registry-proxy, the offline Gate of a project and any replay, so that the same
counts are judged alike everywhere. What a limit means is lifecycle's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stats.bounds import Bounds
from stats.calibration import calibration_error_bounds
from stats.classification import macro_f1_bounds, macro_f1_difference_bounds
from stats.confidence_sequences import beta_binomial_bounds
from stats.counts import (
    Counts,
    is_counted,
    read_calibration,
    read_cells,
    read_count,
    read_latencies,
)
from stats.paired import accuracy_difference_bounds
from stats.quantile_sequences import quantile_ratio_sequence_bounds, quantile_sequence_bounds
from stats.quantiles import latency_buckets, quantile_bounds, quantile_ratio_bounds
from stats.two_samples import rate_difference_bounds

Compute = Callable[[Counts, float, float], Bounds | None]
"""(counts, limit, alpha) to bounds; None where the counts say nothing of the measure."""


@dataclass(frozen=True)
class Measure:
    """The Measurement that a measure is computed from, and how; `limit` centres the prior of a
    rate's confidence sequence and means nothing to the others.
    """

    counts: str
    bounds: Compute


def _macro_f1(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
    return macro_f1_bounds(read_cells(counts).candidate, alpha)


def _macro_f1_difference(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
    cells = read_cells(counts)
    return macro_f1_difference_bounds(cells, alpha) if cells.counts.ndim == 3 else None


def _accuracy(counts: Counts, limit: float, alpha: float) -> Bounds | None:
    confusion = read_cells(counts).candidate
    return beta_binomial_bounds(int(confusion.trace()), int(confusion.sum()), limit, alpha)


def _calibration_error(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
    return calibration_error_bounds(read_calibration(counts), alpha)


def _quantile(q: float) -> Compute:
    def compute(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
        return quantile_bounds(latency_buckets(), read_latencies(counts["buckets"]), q, alpha)

    return compute


def _quantile_ratio(q: float) -> Compute:
    def compute(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
        candidate, baseline = (read_latencies(counts[k]) for k in ("buckets", "baseline"))
        return quantile_ratio_bounds(latency_buckets(), candidate, baseline, q, alpha)

    return compute


def _live_quantile(q: float) -> Compute:
    def compute(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
        candidate = read_latencies(counts["buckets"])
        return quantile_sequence_bounds(latency_buckets(), candidate, q, alpha)

    return compute


def _live_quantile_ratio(q: float) -> Compute:
    def compute(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
        candidate, baseline = (read_latencies(counts[k]) for k in ("buckets", "baseline"))
        return quantile_ratio_sequence_bounds(latency_buckets(), candidate, baseline, q, alpha)

    return compute


def _coverage(counts: Counts, limit: float, alpha: float) -> Bounds | None:
    """A count of what happened passes as it is; it fails only when more of the same could not
    bring it over the limit: one stall early in a shadow is no reason to give up. Where only some
    requests are mirrored and nobody counted them, what is missing is not known.
    """
    eligible, paired = read_count(counts, "eligible"), read_count(counts, "paired")
    if not eligible or not is_counted(counts):
        return None
    share = paired / eligible
    upper = beta_binomial_bounds(paired, eligible, limit, alpha).upper
    return Bounds(n=eligible, lower=share, point=share, upper=max(share, upper))


def _wins_over_losses(counts: Counts, _limit: float, alpha: float) -> Bounds | None:
    wins, losses = read_count(counts, "wins"), read_count(counts, "losses")
    return accuracy_difference_bounds(wins, losses, read_count(counts, "n"), alpha)


def _error_difference(counts: Counts, limit: float, alpha: float) -> Bounds | None:
    """Of the same requests where both answered each (a shadow), of different ones in a canary."""
    if "wins" not in counts:
        return _rate_difference("errors")(counts, limit, alpha)
    wins, losses = read_count(counts, "wins"), read_count(counts, "losses")
    return accuracy_difference_bounds(losses, wins, read_count(counts, "n"), alpha)


def _rate_difference(part: str) -> Compute:
    def compute(counts: Counts, limit: float, alpha: float) -> Bounds | None:
        ours = (read_count(counts, part), read_count(counts, "n"))
        theirs = (read_count(counts, f"baseline_{part}"), read_count(counts, "baseline_n"))
        return rate_difference_bounds(ours, theirs, limit, alpha)

    return compute


def _rate(part: str) -> Compute:
    def compute(counts: Counts, limit: float, alpha: float) -> Bounds | None:
        return beta_binomial_bounds(read_count(counts, part), read_count(counts, "n"), limit, alpha)

    return compute


def _share(part: str) -> Compute:
    """A share of rows that were all looked at: there is nothing to be unsure of."""

    def compute(counts: Counts, _limit: float, _alpha: float) -> Bounds | None:
        n = read_count(counts, "n")
        return _exactly(read_count(counts, part) / n, n) if n else None

    return compute


def _amount(part: str) -> Compute:
    def compute(counts: Counts, _limit: float, _alpha: float) -> Bounds | None:
        return _exactly(float(read_count(counts, part)), 1) if part in counts else None

    return compute


def _exactly(value: float, n: int) -> Bounds:
    return Bounds(n=n, lower=value, point=value, upper=value)


MEASURES: Mapping[str, Measure] = {
    "macro_f1": Measure("cells", _macro_f1),
    "macro_f1_difference": Measure("cells", _macro_f1_difference),
    "accuracy": Measure("cells", _accuracy),
    "calibration_error": Measure("calibration", _calibration_error),
    "invariance_failures": Measure("invariance", _rate("failed")),
    "direction_failures": Measure("direction", _rate("failed")),
    "minimum_functionality_failures": Measure("minimum_functionality", _rate("failed")),
    "explanation_sum_failures": Measure("explanations", _rate("incomplete")),
    "explanation_repeat_failures": Measure("explanations", _rate("differing")),
    "explanation_faithfulness": Measure("deletions", _wins_over_losses),
    "leaked_ratio": Measure("leakage", _share("leaked")),
    "latency_ms_p95": Measure("latency_ms", _quantile(0.95)),
    "latency_ms_p99": Measure("latency_ms", _quantile(0.99)),
    "latency_ratio_p95": Measure("latency_pair", _quantile_ratio(0.95)),
    "latency_ratio_p99": Measure("latency_pair", _quantile_ratio(0.99)),
    "artifact_bytes": Measure("footprint", _amount("artifact_bytes")),
    "memory_bytes": Measure("footprint", _amount("memory_bytes")),
    "disagreement": Measure("pairs", _rate("bad")),
    "coverage": Measure("pairs", _coverage),
    "accuracy_difference": Measure("labelled", _wins_over_losses),
    "live_latency_ms_p95": Measure("live_latency", _live_quantile(0.95)),
    "live_latency_ms_p99": Measure("live_latency", _live_quantile(0.99)),
    "live_latency_ratio_p95": Measure("live_latency", _live_quantile_ratio(0.95)),
    "live_latency_ratio_p99": Measure("live_latency", _live_quantile_ratio(0.99)),
    "error_difference": Measure("outcomes", _error_difference),
    "error_ratio": Measure("requests", _rate("errors")),
    "slow_ratio": Measure("slow", _rate("over")),
    "slow_difference": Measure("slow_pair", _rate_difference("over")),
}
