"""Why a model gave a text its label, as what each feature added to the decision.

Only a model whose decision is a sum can say so exactly, and only such a one is an `Explainer`:
an estimate of what another model might have thought is not here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Protocol, runtime_checkable

_MOST = 700.0
"""Beyond it `exp` overflows, and the score is zero for certain."""


@dataclass(frozen=True)
class Explanation:
    """What the decision for the predicted label is the sum of.

    Its score is the softmax of all labels' decisions; with two labels the other's is zero, so it
    is the sigmoid of this one.
    """

    label_index: int
    """Position of the label in the predictor's labels."""
    score: float
    """Its probability."""
    intercept: float
    """The decision for a text without a feature the model knows."""
    features: tuple[tuple[str, float], ...]
    """Words and pairs of words with what they added, the strongest first."""
    rest: float
    """What all features that are not named added together."""
    others: tuple[float, ...]
    """The decisions for the other labels, which the score is relative to."""

    @property
    def decision(self) -> float:
        """The sum."""
        return self.intercept + sum(added for _, added in self.features) + self.rest


def score_of(decision: float, others: Sequence[float]) -> float:
    """Return the score that a decision has beside the other labels': its share of the softmax."""
    return 1 / (1 + sum(exp(min(other - decision, _MOST)) for other in others))


@runtime_checkable
class Explainer(Protocol):
    """A predictor that can tell exactly why."""

    def explain(self, texts: Sequence[str], most: int) -> list[Explanation]:
        """Return why each text gets its label, naming at most so many features."""
        ...
