"""How many rows of the pinned test set the version may have seen while it learnt.

Counted anew from the rows themselves, whatever check-data did when it split them.
"""

from lifecycle.evidence import Measurement
from training_jobs.dataset.near_duplicates import near_duplicates
from training_jobs.dataset.rows import Rows

# Half of the words changed leave far less; a retyped or re-scraped text is over it.
_RESEMBLANCE = 0.8


def measure_leakage(train: Rows, test: Rows, source: str, at: float) -> Measurement:
    """Return `leakage`: test rows that are in the training part, or nearly (word 5-shingles)."""
    known = set(train.ids)
    identical = {position for position, row in enumerate(test.ids) if row in known}
    near = set(near_duplicates(test.texts, train.texts, _RESEMBLANCE))
    counts = {"n": len(test), "leaked": len(identical | near), "identical": len(identical)}
    return Measurement("leakage", "all", len(test), counts, source, at, at)
