"""Where a monotone test changes its answer, to the last useful bit."""

from collections.abc import Callable

# 2 / 2^60 is below the spacing of doubles near 1e-2, the smallest limit anyone sets.
_HALVINGS = 60


def boundary(holds: Callable[[float], bool], outside: float, inside: float) -> float:
    """Return the point closest to `outside` at which `holds` is still true.

    `holds(inside)` must be true and `holds(outside)` false, with one change between them. The
    answer is on the true side, so a decision taken from it never claims more than the test does.
    """
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
