"""Which rows of a Reference a Slice is compared with: its own, where they can be told. Pure.

Lengths and languages are measured of every text, so that a Reference has rows of each. A caller's
Slice has none and is compared with the whole: the question then is whether this traffic looks like
what was accepted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift_monitor.detectors import FEWEST_ROWS
from drift_monitor.sketches import Rows
from drift_monitor.windows import ALL, LENGTH_LIMITS, LENGTHS, language_slice

# Of a Model for the world's languages those with most rows; callers' Slices need room, too.
_MOST_LANGUAGES = 8


@dataclass(frozen=True)
class Parts:
    """The parts of a Reference by name, each with which of its rows [n] belong to it.

    `languages` are those that have a part; none where all texts that count are of one.
    """

    rows: Mapping[str, NDArray[np.bool_]]
    languages: tuple[str, ...]

    def name(self, slice_name: str) -> str:
        """Name the part that a Slice is compared with."""
        return slice_name if slice_name in self.rows else ALL


def languages_of(rows: Rows) -> tuple[str, ...]:
    """Return the languages that are Slices: with rows enough, and not the only one such."""
    counts = Counter(rows.language.tolist()).most_common(_MOST_LANGUAGES)
    found = tuple(sorted(name for name, n in counts if n >= FEWEST_ROWS))
    return found if len(found) > 1 else ()


def parts_of(rows: Rows, languages: Sequence[str]) -> Parts:
    """Part a Reference's rows."""
    lengths = np.searchsorted(np.log1p(LENGTH_LIMITS), rows.measures["length"])
    found = {ALL: np.ones(len(rows), dtype=bool)}
    found |= {name: lengths == place for place, name in enumerate(LENGTHS)}
    found |= {language_slice(name): rows.language == name for name in languages}
    return Parts(found, tuple(languages))
