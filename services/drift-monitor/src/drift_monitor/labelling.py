"""Which rows people are asked to label, and with what probability each was drawn. Pure.

While a cohort lasts (a week) the rows with the lowest priorities of each stratum are kept. A
priority is a hash of the request id, so it does not matter which process sees a row, in what
order, or how often. When the cohort is over, 200 are shared out: more to strata that are large or
about which little is sure (Neyman 1934). Within a stratum each row had the same chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

LIST_SIZE = 200
"""Narrows a week's accuracy to about nine points, which one person labels in an hour or two."""
# So many are kept of each stratum: any share of the list can then be served from them.
KEPT = LIST_SIZE
# A stratum that looks sure is asked too: that it is sure may be what is wrong.
_FEWEST = 5
_LEAST_SPREAD = 0.1
HIGHEST_PRIORITY = 2**32 - 1


@dataclass(frozen=True)
class Candidate:
    """A row that may be labelled: `worth` is how likely its label is right."""

    request_id: str
    stratum: int
    priority: int
    label: str
    worth: float
    time: float
    slices: tuple[str, ...]


@dataclass(frozen=True)
class Drawn:
    """A row on a cohort's list; `truth` is None until somebody has labelled it."""

    cohort: float
    request_id: str
    stratum: int
    label: str
    worth: float
    time: float
    slices: tuple[str, ...]
    probability: float
    truth: str | None
    labelled_at: float | None


def priority_of(request_id: str, cohort: float) -> int:
    """Return a number that is as good as random, and the same for everyone who asks."""
    return crc32(request_id.encode(), int(cohort) & 0xFFFFFFFF)


def priorities_of(request_ids: Sequence[str], cohort: float) -> NDArray[np.int64]:
    """Return the priority of each of several."""
    seed = int(cohort) & 0xFFFFFFFF
    return np.array([crc32(name.encode(), seed) for name in request_ids], dtype=np.int64)


def choose(
    candidates: Sequence[Candidate], population: Sequence[float], size: int = LIST_SIZE
) -> Mapping[str, float]:
    """Return the request ids to label with their probabilities; population [strata] counts rows."""
    by_stratum: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        by_stratum.setdefault(candidate.stratum, []).append(candidate)
    rows = {s: max(len(held), population[s]) for s, held in by_stratum.items()}
    shares = _shared_out(by_stratum, rows, size)
    chosen = {}
    for stratum, held in by_stratum.items():
        held.sort(key=lambda candidate: (candidate.priority, candidate.request_id))
        for candidate in held[: shares[stratum]]:
            chosen[candidate.request_id] = shares[stratum] / rows[stratum]
    return chosen


def _shared_out(
    by_stratum: Mapping[int, Sequence[Candidate]], rows: Mapping[int, float], size: int
) -> dict[int, int]:
    want = {s: rows[s] * _spread(held) for s, held in by_stratum.items()}
    shares = {s: min(len(held), _FEWEST) for s, held in by_stratum.items()}
    # One by one to whoever is furthest below what it wants: exact, and 200 steps.
    for _ in range(size - sum(shares.values())):
        open_strata = [s for s, held in by_stratum.items() if shares[s] < len(held)]
        if not open_strata:
            break
        shares[max(open_strata, key=lambda s: want[s] / (shares[s] + 1))] += 1
    return shares


def _spread(held: Sequence[Candidate]) -> float:
    worth = sum(candidate.worth for candidate in held) / len(held)
    return max(_LEAST_SPREAD, sqrt(worth * (1 - worth)))
