"""The compiled form of a Pipeline: what scoring a text needs, as flat arrays, and nothing else.

A column is a feature's place in the scikit-learn vocabulary, so the projection is the same in
both forms. The arrays are those of the file; hash tables are built when it is loaded, because
their seeds must not be known to whoever writes a vocabulary.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from textmodels.manifests import ArtifactError
from textmodels.projections import SparseProjection

TABLES_NAME = "scorer.safetensors"
NORMS = (None, "l1", "l2")
"""In the order of their numbers in the file."""

_DTYPES = {
    "word_text": np.uint8,
    "word_ends": np.uint32,
    "word_columns": np.int32,
    "bigram_words": np.uint32,
    "bigram_columns": np.uint32,
    "idf": np.float64,
    "weights": np.float64,
    "bias": np.float64,
    "switches": np.uint8,
}


@dataclass(frozen=True)
class Tables:
    """w words, b bigrams, f features, o outputs: one for two labels, else one a label."""

    word_text: NDArray[np.uint8]
    """The words, in UTF-8, one after another."""
    word_ends: NDArray[np.uint32]
    """[w] where each word ends in `word_text`."""
    word_columns: NDArray[np.int32]
    """[w] the column of each word; -1 for one that is known from bigrams only."""
    bigram_words: NDArray[np.uint32]
    """[b, 2] positions of the two words."""
    bigram_columns: NDArray[np.uint32]
    """[b]"""
    idf: NDArray[np.float64]
    """[f] 1 where the Pipeline weighs no term."""
    weights: NDArray[np.float64]
    """[f, o] idf times coefficient."""
    bias: NDArray[np.float64]
    """[o]"""
    switches: NDArray[np.uint8]
    """[2] the norm's position in `NORMS`; 1 when counts are taken as 1 + ln."""
    projection_seed: int

    @property
    def norm(self) -> int:
        """The norm's position in `NORMS`."""
        return int(self.switches[0])

    @property
    def sublinear_tf(self) -> bool:
        """Whether a count c weighs 1 + ln c."""
        return bool(self.switches[1])

    @property
    def labels(self) -> int:
        """How many labels the model tells apart."""
        return 2 if len(self.bias) == 1 else len(self.bias)

    @cached_property
    def projection_rows(self) -> NDArray[np.uint8]:
        """[f, 4] as `SparseProjection.rows`."""
        return SparseProjection(len(self.idf), self.projection_seed).rows()

    def to_bytes(self) -> bytes:
        """Return the safetensors file; equal tables give equal bytes."""
        return safetensors.save({name: getattr(self, name) for name in _DTYPES})

    @classmethod
    def from_bytes(cls, raw: bytes, labels: int, projection_seed: int) -> "Tables":
        """Read the file for k labels; ArtifactError naming the array that is wrong."""
        try:
            tables = cls(projection_seed=projection_seed, **safetensors.load(raw))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{TABLES_NAME}: not a compiled scorer ({error})") from error
        _require_arrays(tables, labels)
        _require_positions(tables)
        return tables


def _require_arrays(tables: Tables, labels: int) -> None:
    words, bigrams, features = tables.word_ends.size, tables.bigram_columns.size, tables.idf.size
    outputs = 1 if labels == 2 else labels
    shapes = {
        "word_text": (tables.word_text.size,),
        "word_ends": (words,),
        "word_columns": (words,),
        "bigram_words": (bigrams, 2),
        "bigram_columns": (bigrams,),
        "idf": (features,),
        "weights": (features, outputs),
        "bias": (outputs,),
        "switches": (2,),
    }
    for name, shape in shapes.items():
        _require(name, getattr(tables, name), shape)


def _require(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != _DTYPES[name]:
        raise ArtifactError(
            f"{TABLES_NAME}: {name} must be {np.dtype(_DTYPES[name])} {shape}, "
            f"not {array.dtype} {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ArtifactError(f"{TABLES_NAME}: {name} holds a value that is not finite")


def _require_positions(tables: Tables) -> None:
    words, features = len(tables.word_ends), len(tables.idf)
    ends = np.concatenate([np.zeros(1, np.int64), tables.word_ends.astype(np.int64)])
    rules = {
        "word_ends": (np.diff(ends) >= 0).all() and ends[-1] == len(tables.word_text),
        "word_columns": ((tables.word_columns >= -1) & (tables.word_columns < features)).all(),
        "bigram_words": (tables.bigram_words < words).all(),
        "bigram_columns": (tables.bigram_columns < features).all(),
        "switches": tables.switches[0] < len(NORMS) and tables.switches[1] <= 1,
    }
    for name, holds in rules.items():
        if not holds:
            raise ArtifactError(f"{TABLES_NAME}: {name} holds a position that does not exist")
    _require_utf8(tables.word_text, ends[:-1])


def _require_utf8(text: NDArray[np.uint8], starts: NDArray[np.int64]) -> None:
    """Require that each word is UTF-8 by itself: no character is cut by a word's end."""
    try:
        text.tobytes().decode()
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{TABLES_NAME}: word_text is not UTF-8 ({error})") from error
    if ((text[starts[starts < len(text)]] & 0xC0) == 0x80).any():
        raise ArtifactError(f"{TABLES_NAME}: word_ends cuts a character")
