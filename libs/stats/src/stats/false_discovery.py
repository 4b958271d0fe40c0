"""Which of many p-values are worth a look, when a share of false ones among them is bearable.

Benjamini and Hochberg 1995. For a list that a person reads; alarms over time need something that
holds over time (see cusum).
"""

from collections.abc import Sequence


def discoveries(p_values: Sequence[float], share_false: float = 0.1) -> list[bool]:
    """Say of each p-value whether it is among the discoveries, of which `share_false` are false."""
    ordered = sorted(p_values)
    limits = [p for rank, p in enumerate(ordered, 1) if p <= share_false * rank / len(ordered)]
    highest = max(limits, default=-1.0)
    return [p <= highest for p in p_values]
