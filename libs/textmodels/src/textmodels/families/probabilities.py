"""From the last layer's outputs to the probability of each label."""

import numpy as np
from numpy.typing import NDArray


def probabilities(outputs: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return [n, k] for outputs [n, k] (softmax), or [n, 2] for outputs [n, 1] (sigmoid)."""
    logits = outputs.astype(np.float64)
    if logits.shape[1] == 1:
        second = (1 + np.tanh(logits[:, 0] / 2)) / 2  # the sigmoid, which cannot overflow so
        return np.stack([1 - second, second], axis=1)
    powers: NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
