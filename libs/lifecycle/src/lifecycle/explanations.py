"""What a Gate can ask of a version's explanations, and of how many texts.

After ERASER (DeYoung et al., ACL 2020): an explanation is faithful when the answer needs the words
that it names. How texts are asked about and words deleted is the gate job's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.documents import Fields

SUMS, DELETIONS = "explanations", "deletions"
"""Measurements: `explanations` counts what was asked twice, `deletions` what was asked without the
words that were named, and without as many others."""
EXPLAINED = frozenset(
    {"explanation_sum_failures", "explanation_repeat_failures", "explanation_faithfulness"}
)
"""Measures of explanations, which not every family of models gives. A rule on one may be
`optional`: a version that explains nothing then PASSes it."""


@dataclass(frozen=True)
class ExplanationSample:
    """Of how many `rows` of the pinned test set a version is asked why, and how many of the words
    that it names are then deleted.
    """

    rows: int = 300
    words: int = 5


def read_sample(fields: Fields) -> ExplanationSample:
    """Read `policy.explanations`; DocumentRefused names what is wrong with it."""
    sample = ExplanationSample(
        rows=fields.whole("rows", 1, 5_000, ExplanationSample.rows),
        words=fields.whole("words", 1, 20, ExplanationSample.words),
    )
    fields.close()
    return sample


def explains_nothing(counts: Mapping[str, Any] | None) -> bool:
    """Tell whether `explanations` were asked for and there were none (None: nobody asked)."""
    return counts is not None and counts["n"] == 0
