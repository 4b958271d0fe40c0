"""Latency percentiles from a histogram: an hour of load takes no more memory than a second."""

import math
from collections import Counter

_LOG_WIDTH = math.log(1.02)
"""Buckets grow by 2 %, which is also how far a percentile may be off."""


class Latencies:
    """Counts of latencies in milliseconds."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._largest = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one latency."""
        self._counts[int(math.log(max(milliseconds, 0.001)) // _LOG_WIDTH)] += 1
        self._largest = max(self._largest, milliseconds)

    def percentile(self, share: float) -> float | None:
        """Return the latency that `share` (0-1) of the answers keep to; None without any."""
        wanted = share * self._counts.total()
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return min(math.exp((bucket + 1) * _LOG_WIDTH), self._largest)
        return None

    def summary(self) -> dict[str, float | None]:
        """Return the percentiles that people ask for."""
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        found = {name: self.percentile(share) for name, share in shares.items()}
        return {name: None if ms is None else round(ms, 2) for name, ms in found.items()}
