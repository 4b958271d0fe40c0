"""What every interval in this library looks like.

Numbers only: whether an interval passes a limit is for the caller (lifecycle) to say.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """An estimate from `n` observations with its one-sided lower and upper bound.

    Each side alone holds with probability 1 - alpha. With n = 0 nothing is known: the bounds are
    the ends of the possible range and `point` lies between them.
    """

    n: int
    lower: float
    point: float
    upper: float

    def __post_init__(self) -> None:
        """Refuse bounds that do not hold their point: such an interval is a mistake."""
        if not self.lower <= self.point <= self.upper:
            raise ValueError(f"bounds [{self.lower}, {self.upper}] do not hold {self.point}")
