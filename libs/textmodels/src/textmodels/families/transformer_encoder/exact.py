"""The encoder in numpy, in double precision and one text at a time: what a graph is proven against.

Written from the definition (Vaswani et al., NeurIPS 2017; Devlin et al., NAACL 2019), and not from
the graph. The heads' scale is already in the weights.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from textmodels.families.transformer_encoder.pretrained import Dense, Layer, Norm, Pretrained

Doubles = NDArray[np.float64]


def embed_exactly(pretrained: Pretrained, ids: Sequence[int]) -> Doubles:
    """Return the mean-pooled row [width] of a text's ids, of length 1."""
    embedded = pretrained.words[list(ids)].astype(np.float64) + pretrained.positions[: len(ids)]
    rows = _normalise(embedded, pretrained.norm, pretrained.epsilon)
    for layer in pretrained.layers:
        rows = _apply(layer, rows, pretrained)
    pooled: Doubles = rows.mean(axis=0)
    return pooled / np.linalg.norm(pooled)


def _apply(layer: Layer, rows: Doubles, pretrained: Pretrained) -> Doubles:
    attended = _dense(_attend(_dense(rows, layer.attention), pretrained.heads), layer.attended)
    rows = _normalise(rows + attended, layer.attended_norm, pretrained.epsilon)
    inner = _dense(rows, layer.inner)
    outer = _dense(inner * (1 + erf(inner / np.sqrt(2))) / 2, layer.outer)
    return _normalise(rows + outer, layer.outer_norm, pretrained.epsilon)


def _attend(mixed: Doubles, heads: int) -> Doubles:
    queries, keys, values = np.split(mixed, 3, axis=1)
    outputs = []
    for query, key, value in zip(
        *(np.split(part, heads, axis=1) for part in (queries, keys, values)), strict=True
    ):
        weights = np.exp((products := query @ key.T) - products.max(axis=1, keepdims=True))
        outputs.append(weights / weights.sum(axis=1, keepdims=True) @ value)
    return np.concatenate(outputs, axis=1)


def _dense(rows: Doubles, dense: Dense) -> Doubles:
    outputs: Doubles = rows @ dense.kernel.astype(np.float64) + dense.bias
    return outputs


def _normalise(rows: Doubles, norm: Norm, epsilon: float) -> Doubles:
    centred = rows - rows.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon)
    normalised: Doubles = centred / spread * norm.gain + norm.bias
    return normalised
