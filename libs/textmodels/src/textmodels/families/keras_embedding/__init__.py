"""Embedding, global max pooling, dense: trained by Keras, served in C with the same weights.

`training` alone imports Keras. A process that loads and scores such a model never sees TensorFlow:
Keras' predict() takes 50 ms for a text whose arithmetic takes 5 us.
"""

from collections.abc import Mapping
from typing import Any

from textmodels.families.contract import Fitted, Training, engine_needed
from textmodels.families.keras_embedding.files import FILE_NAMES, pack, unpack

__all__ = ["FILE_NAMES", "OPTIONAL_FILE_NAMES", "PRETRAINED_FILE_NAMES", "fit", "pack", "unpack"]

OPTIONAL_FILE_NAMES: frozenset[str] = frozenset()
PRETRAINED_FILE_NAMES: frozenset[str] = frozenset()


def fit(training: Training, params: Mapping[str, Any]) -> Fitted:
    """Train on nine tenths of the texts, and keep the epoch that is best on the last tenth."""
    with engine_needed("tensorflow-cpu"):
        from textmodels.families.keras_embedding.training import fit_network  # noqa: PLC0415

    return fit_network(training, params)
