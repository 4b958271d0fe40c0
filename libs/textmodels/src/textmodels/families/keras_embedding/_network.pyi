from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textmodels.families.keras_embedding.network import Arrays

class Scorer:
    def __init__(self, arrays: Arrays) -> None: ...
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
