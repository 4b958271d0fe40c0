"""The trained network as arrays, and the ids by which it knows words.

Embedding, global max pooling, dense. The network pads or cuts every text to `max_length` ids and
takes the largest value of each embedding dimension. A maximum does not care how often or where
an id occurs; the padding id takes part whenever the text is shorter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING_ID = 0
UNKNOWN_ID = 1
FIRST_TERM_ID = 2


@dataclass(frozen=True)
class Network:
    """The trained weights; the array names are those of the file."""

    embedding: NDArray[np.float32]
    """[2 + terms, dimension]"""
    kernel: NDArray[np.float32]
    """[dimension, 1] for two labels (sigmoid), [dimension, k] for more (softmax)."""
    bias: NDArray[np.float32]
    """[1] or [k]"""


@dataclass(frozen=True)
class Arrays:
    """All that scoring a text needs."""

    word_text: NDArray[np.uint8]
    """The terms in the order of their ids, in UTF-8, one after another."""
    word_ends: NDArray[np.uint32]
    """[terms] where each ends in `word_text`."""
    embedding: NDArray[np.float32]
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    projection: NDArray[np.float32]
    """[dimension, 64]"""
    max_length: int
    """Word tokens that are read of a text."""

    @classmethod
    def of(
        cls,
        network: Network,
        vocabulary: Mapping[str, int],
        projection: NDArray[np.float32],
        max_length: int,
    ) -> "Arrays":
        """Return the arrays of a network with its vocabulary {term: column}."""
        # A term of a file may be half of a surrogate pair, which no token is.
        terms = sorted(vocabulary, key=vocabulary.__getitem__)
        spellings = [term.encode(errors="surrogatepass") for term in terms]
        return cls(
            word_text=np.frombuffer(b"".join(spellings), np.uint8),
            word_ends=np.cumsum([len(spelling) for spelling in spellings], dtype=np.uint32),
            **vars(network),
            projection=projection,
            max_length=max_length,
        )


def to_ids(tokens: Sequence[str], vocabulary: Mapping[str, int]) -> list[int]:
    """Return the id of each token."""
    unknown = UNKNOWN_ID - FIRST_TERM_ID
    return [vocabulary.get(token, unknown) + FIRST_TERM_ID for token in tokens]
