"""How often a version disagrees with itself: the floor under any limit on disagreement. Pure.

An A/A run sends each text twice to the version in PRODUCTION. Models on floating point sums that
depend on their company, and all that draw at random, answer some texts differently the second
time; a Candidate that is nothing but the Baseline again would then break a limit below that.
"""

from dataclasses import dataclass

from stats.bounds import Bounds
from stats.confidence_sequences import beta_binomial_bounds

_CENTRE = 0.02
_ALPHA = 0.05


@dataclass(frozen=True)
class Repeats:
    """What became of a version's texts over a time: `texts` answered, `unique` different ones,
    `twice` those answered at least twice, of which the first two answers are `differing`.
    """

    texts: int
    unique: int
    twice: int
    differing: int


@dataclass(frozen=True)
class Noise:
    """What one A/A run of a model's version (by digest) measured."""

    model: str
    version: str
    n: int
    differing: int
    measured_at: float

    def bounds(self) -> Bounds:
        """Return the share of texts that the version answers differently the second time."""
        return beta_binomial_bounds(self.differing, self.n, _CENTRE, _ALPHA)
