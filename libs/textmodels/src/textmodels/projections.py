"""Fixed random projections of a model's features to 64 numbers.

They let someone else compare the texts of two periods without seeing a text or knowing the
features. Both are drawn from PCG64's raw bits: unlike the distributions of numpy's Generator,
those are promised never to change, so a Reference stays comparable after an upgrade.
"""

import numpy as np
from numpy.typing import NDArray

from textmodels.predictions import PROJECTION_SIZE

# Non-zero entries per feature. More would lower the variance a little for texts that are
# ruled by one or two features, and cost in proportion.
_ENTRIES = 4
_BLOCK = PROJECTION_SIZE // _ENTRIES


class SparseProjection:
    """Projects sparse rows: 8 bytes a feature, where a dense matrix would take 256.

    Each feature has one entry of +-1/2 in each of four blocks of 16 columns (the block
    construction of Kane and Nelson, "Sparser Johnson-Lindenstrauss Transforms", JACM 2014).
    """

    def __init__(self, features: int, seed: int) -> None:
        raw = np.random.PCG64(seed).random_raw(features).reshape(-1, 1)
        shifts = np.arange(_ENTRIES, dtype=np.uint64) * np.uint64(8)
        draws = (raw >> shifts) & np.uint64(0xFF)
        blocks = np.arange(_ENTRIES, dtype=np.uint8) * np.uint8(_BLOCK)
        self._columns = (draws % np.uint64(_BLOCK)).astype(np.uint8) + blocks
        self._signs = np.where(draws & np.uint64(0x80), 1, -1).astype(np.int8)

    def rows(self) -> NDArray[np.uint8]:
        """Return [features, 4]: each entry's column, plus 128 where its sign is minus."""
        minus = np.where(self._signs < 0, 0x80, 0).astype(np.uint8)
        rows: NDArray[np.uint8] = self._columns | minus
        return rows

    def project(
        self, indptr: NDArray[np.int32], indices: NDArray[np.int32], values: NDArray[np.floating]
    ) -> NDArray[np.float16]:
        """Project the n rows of a CSR matrix to [n, 64]."""
        rows = len(indptr) - 1
        starts = np.repeat(np.arange(rows) * PROJECTION_SIZE, np.diff(indptr))
        cells = starts[:, np.newaxis] + self._columns[indices]
        weights = values[:, np.newaxis] * self._signs[indices] / np.sqrt(_ENTRIES)
        sums = np.bincount(cells.ravel(), weights.ravel(), minlength=rows * PROJECTION_SIZE)
        return sums.reshape(rows, PROJECTION_SIZE).astype(np.float16)


class DenseProjection:
    """Projects short dense rows by a matrix of random signs (Achlioptas, JCSS 2003)."""

    def __init__(self, features: int, seed: int) -> None:
        raw = np.random.PCG64(seed).random_raw(features).reshape(-1, 1)
        bits = (raw >> np.arange(PROJECTION_SIZE, dtype=np.uint64)) & np.uint64(1)
        signs = np.where(bits, 1.0, -1.0) / np.sqrt(PROJECTION_SIZE)
        self.matrix: NDArray[np.float32] = signs.astype(np.float32)
        """[features, 64]"""

    def project(self, rows: NDArray[np.float32]) -> NDArray[np.float16]:
        """L2-normalise [n, features] rows and project them to [n, 64]; a zero row stays zero."""
        return project_by(self.matrix, rows)


def project_by(matrix: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float16]:
    """Project as `DenseProjection` does, by its matrix."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms > 0, norms, 1)
    projected: NDArray[np.float16] = (unit @ matrix).astype(np.float16)
    return projected
