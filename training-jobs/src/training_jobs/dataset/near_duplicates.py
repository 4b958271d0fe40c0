"""Training rows that nearly repeat a test row, by word 5-shingles.

Broder, On the resemblance and containment of documents (1997). All pairs are compared: hashed
shingles in a sparse product give the few candidate pairs, and those are counted exactly.
"""

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

_WORD = re.compile(r"\w+")
_SHINGLE_WORDS = 5
_HASHES = 2**24
# A shared hash can only raise a resemblance, and only by a fraction of this.
_SLACK = 0.1


def shingles(text: str) -> list[str]:
    """Return a text's runs of five words in lower case; a shorter text is one run."""
    words = _WORD.findall(text.lower())
    count = max(1, len(words) - _SHINGLE_WORDS + 1)
    return [" ".join(words[i : i + _SHINGLE_WORDS]) for i in range(count)]


def resemblance(one: str, other: str) -> float:
    """Return the Jaccard index of two texts' sets of shingles, in [0, 1]."""
    a, b = set(shingles(one)), set(shingles(other))
    return len(a & b) / len(a | b)


def near_duplicates(rows: Sequence[str], of: Sequence[str], at_least: float) -> list[int]:
    """Return the positions in `rows` whose resemblance to any text in `of` is `at_least`."""
    found = {
        row
        for row, other in _candidate_pairs(rows, of, at_least - _SLACK)
        if resemblance(rows[row], of[other]) >= at_least
    }
    return sorted(found)


def _candidate_pairs(
    rows: Sequence[str], of: Sequence[str], at_least: float
) -> list[tuple[int, int]]:
    hashing = HashingVectorizer(
        analyzer=shingles,
        binary=True,
        norm=None,
        alternate_sign=False,
        n_features=_HASHES,
        dtype=np.float32,
    )
    left, right = hashing.transform(rows), hashing.transform(of)
    shared = (left @ right.T).tocoo()
    sizes = np.diff(left.indptr)[shared.row] + np.diff(right.indptr)[shared.col]
    near = shared.data >= at_least * (sizes - shared.data)
    return list(zip(shared.row[near].tolist(), shared.col[near].tolist(), strict=True))
