"""How many rows a Slice gets in a Window, as last seen, and so which share of them is sketched.

A Window that is not small beside its Reference measures the Reference's own error, hour by hour.
So of busy Slices a random share is judged, a tenth of the Reference's rows. Which share must be
known before the rows come: it follows the last Window. Of a first one all rows are judged.
"""

from drift_monitor.detectors import most_rows
from drift_monitor.monitors import Reading


class Pace:
    """Rows a Window by version and Slice; written by testing, read by counting."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], float] = {}

    def learn(self, version: str, slice_name: str, last: Reading, window_seconds: float) -> None:
        """Note what the last Window saw; one that rolled was longer."""
        windows = max(1.0, (last.end - last.start) / window_seconds)
        self._rows[version, slice_name] = last.seen / windows

    def share(self, version: str, slice_name: str, reference_n: int) -> float:
        """Return the share of a Slice's rows to be judged against a Reference of so many."""
        rows = self._rows.get((version, slice_name), 0.0)
        most = most_rows(reference_n)
        return most / rows if rows > most else 1.0
