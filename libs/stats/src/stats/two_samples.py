"""Comparing two rates that were counted on different requests, at every look.

As in a canary, where a request is answered by one of the two versions. Where both answered the same
requests `paired` says far more of as many.
"""

from stats.bounds import Bounds
from stats.confidence_sequences import beta_binomial_bounds

_LEAST_CENTRE, _MOST_CENTRE = 0.01, 0.5


def rate_difference_bounds(
    candidate: tuple[int, int], baseline: tuple[int, int], limit: float, alpha: float = 0.05
) -> Bounds:
    """Return anytime-valid bounds of candidate's rate - baseline's, each given as (hits, n).

    Each rate has its own confidence sequence at alpha / 2, so that both hold together; `limit` of
    the difference centres their prior and must be fixed before the first request.
    """
    centre = min(max(abs(limit), _LEAST_CENTRE), _MOST_CENTRE)
    ours = beta_binomial_bounds(*candidate, centre, alpha / 2)
    theirs = beta_binomial_bounds(*baseline, centre, alpha / 2)
    return Bounds(
        n=min(ours.n, theirs.n),
        lower=ours.lower - theirs.upper,
        point=ours.point - theirs.point,
        upper=ours.upper - theirs.lower,
    )
