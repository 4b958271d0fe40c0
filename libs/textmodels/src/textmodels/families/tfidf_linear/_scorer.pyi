from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textmodels.families.tfidf_linear.tables import Tables

class Scorer:
    def __init__(self, tables: Tables) -> None: ...
    def score(
        self,
        texts: Sequence[str],
        scores: NDArray[np.float32],
        label_indices: NDArray[np.int64],
        tokens: NDArray[np.int32],
        unknown_shares: NDArray[np.float32],
        truncated: NDArray[np.bool_],
        projection: NDArray[np.float16] | None,
        /,
    ) -> None: ...
    def count(self, text: str, /) -> list[tuple[int, int]]: ...
