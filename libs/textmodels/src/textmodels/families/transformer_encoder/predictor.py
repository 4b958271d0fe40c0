"""Scores texts with a pretrained encoder: token ids to ONNX Runtime, mean-pooled rows to a head.

One thread for each predictor: a process a core answers more texts than one process on all cores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from textmodels.families.probabilities import probabilities
from textmodels.families.transformer_encoder.wordpiece import PADDING_ID, Reading, WordPiece
from textmodels.predictions import Predictions, cut_by_length
from textmodels.projections import DenseProjection

INT8, FLOAT32 = "int8", "float32"

# Together longer texts gain nothing: a matrix of this many rows keeps a core busy, and a larger
# one leaves its cache.
_TOKENS_TOGETHER = 256

_ERRORS_ONLY = 3


@dataclass(frozen=True)
class Head:
    """The trained weights; the array names are those of the file."""

    kernel: NDArray[np.float32]
    """[width, 1] for two labels (sigmoid), [width, k] for more (softmax)."""
    bias: NDArray[np.float32]
    """[1] or [k]"""


class Encoder:
    """An encoder's graph in ONNX Runtime: ids [n, length] in, mean-pooled rows [n, width] out.

    `raw` is the graph's file. Raises onnxruntime's errors when it is none, ValueError when it takes
    or gives anything else.
    """

    def __init__(self, raw: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads  # else as many as the machine has, whatever is ours
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.raw = raw
        self._session = onnxruntime.InferenceSession(raw, options, ["CPUExecutionProvider"])
        self.width = _width_of(self._session)
        self.precision: str = self._session.get_modelmeta().custom_metadata_map["precision"]

    def embed(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return [n, width], each of length 1; the rows of ids are padded to the longest."""
        ids = np.full((len(rows), max(map(len, rows))), PADDING_ID, np.int64)
        for target, row in zip(ids, rows, strict=True):
            target[: len(row)] = row
        pooled: NDArray[np.float32] = self._session.run(["pooled"], {"ids": ids})[0]
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled


class EncoderPredictor:
    """An encoder, a tokeniser and a head: implements `predictions.BatchPredictor`."""

    family = "transformer_encoder"
    inline = False

    def __init__(
        self,
        encoder: Encoder,
        words: WordPiece,
        head: Head,
        labels: tuple[str, ...],
        projection_seed: int,
    ) -> None:
        self.encoder = encoder
        self.words = words
        self.head = head
        self.labels = labels
        # int8 quantises what enters a layer with one scale for all of it: in a batch, what a text
        # is answered would depend on the texts beside it, for a gain of 2 to 7 %.
        self.units_together = 1 if encoder.precision == INT8 else _TOKENS_TOGETHER
        self._projection = DenseProjection(encoder.width, projection_seed)

    def read(self, text: str) -> Reading:
        """Return the ids of a text, cut at the tokeniser's limit."""
        return self.words.read(text)

    def score(self, readings: Sequence[Reading]) -> Predictions:
        """Score n texts that were read, in one pass over the longest of them."""
        if not readings:
            return Predictions.empty(len(self.labels))
        embedded = self.encoder.embed([reading.ids for reading in readings])
        scores = probabilities(embedded @ self.head.kernel + self.head.bias)
        return Predictions(
            label_indices=scores.argmax(axis=1),
            scores=scores.astype(np.float32),
            tokens=np.array([len(reading.ids) - 2 for reading in readings], np.int32),
            out_of_vocabulary=np.array([row.unknown_share for row in readings], np.float32),
            truncated=np.array([reading.truncated for reading in readings]),
            projection=self._projection.project(embedded),
        )

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Score n texts, in passes over texts of like length."""
        readings = [self.read(text) for text in texts]
        passes = cut_by_length([len(reading.ids) for reading in readings], self.units_together)
        parts = [self.score([readings[row] for row in rows]) for rows in passes]
        return Predictions.join(parts, [row for rows in passes for row in rows], len(self.labels))


def _width_of(session: onnxruntime.InferenceSession) -> int:
    sides = [
        [(each.name, each.type, len(each.shape)) for each in side]
        for side in (session.get_inputs(), session.get_outputs())
    ]
    if sides != [[("ids", "tensor(int64)", 2)], [("pooled", "tensor(float)", 2)]]:
        raise ValueError(f"takes and gives {sides}")
    width = session.get_outputs()[0].shape[1]
    if session.get_modelmeta().custom_metadata_map.get("precision") not in {INT8, FLOAT32}:
        raise ValueError("does not say its precision")
    return int(width)
