"""Whether a rate has been above its limit, looked at after each labelled row.

A bettor who puts a share of the capital on "above" at each row cannot get rich while the rate is
at most the limit, whenever one looks (Ville's inequality; betting, arXiv 2010.09686). A mixture of
shares needs no guess of how far above; any mixture is valid, and one that leans to rates that
matter is sooner sure of them. Rows may carry weights of at least 0, as long as the mean of what
they are weighted to is the rate: rows drawn with unequal probabilities are such.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SHARES = np.geomspace(0.01, 0.95, 24)
"""Of the most that can be lost on one row: a share suits a rate that is so far above the limit, as
a part of the way from there to 1."""
# Most weight on 5 to 15 points above: less needs thousands of labels, of more any share is sure. Of
# the mixtures tried, this one most often tells 12 points by 200 labels (benchmarks/drift, quality).
_USUAL, _FACTOR = 0.10, 1.5
_WEIGHTS = np.exp(-((np.log(_SHARES / _USUAL) / np.log(_FACTOR)) ** 2) / 2)


def log_e_above(values: Floats, limit: float) -> float:
    """Return the largest ln e-value, at any row so far, against "the mean is at most `limit`".

    `values` [n] >= 0 in the order in which they came. Above with an error of alpha where this
    reaches ln(1 / alpha). ValueError for a limit outside (0, 1) or a negative value.
    """
    if not 0 < limit < 1 or (values < 0).any():
        raise ValueError(f"limit {limit} must lie in (0, 1), and values must not be negative")
    if not len(values):
        return 0.0
    bets = _SHARES[:, None] / limit
    capital = np.log1p(bets * (values - limit)).cumsum(axis=1)
    highest = capital.max(axis=0)
    weights = _WEIGHTS / _WEIGHTS.sum()
    mixed = highest + np.log(weights @ np.exp(capital - highest))
    return max(0.0, float(mixed.max()))
