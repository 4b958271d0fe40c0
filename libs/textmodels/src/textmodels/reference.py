"""The Reference: what the texts a version was accepted on looked like to it. Never the texts.

Drift is measured against it, so it lies inside the artifact and its hash in the manifest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from textmodels.manifests import ArtifactError
from textmodels.predictions import Predictions, Predictor
from textmodels.text_measures import measure_text

REFERENCE_NAME = "reference.safetensors"

# Bounds the memory of building a Reference over many texts; the answers do not depend on it.
_BATCH = 512

_DTYPES = {
    "projection": np.float16,
    "scores": np.float32,
    "label_indices": np.int64,
    "true_indices": np.int64,
    "characters": np.int32,
    "words": np.int32,
    "tokens": np.int32,
    "oov": np.float32,
    "non_letter": np.float32,
    "truncated": np.bool_,
    "language_index": np.int16,
}


@dataclass(frozen=True)
class Reference:
    """n texts as columns, in the order they were given. Field names are the file's array names."""

    projection: NDArray[np.float16]
    """[n, 64] as `Predictions.projection`."""
    scores: NDArray[np.float32]
    """[n, k]"""
    label_indices: NDArray[np.int64]
    """[n] the predictor's answer."""
    true_indices: NDArray[np.int64]
    """[n] the truth, as a position in the same labels."""
    characters: NDArray[np.int32]
    """[n] as `TextMeasures`, like `words` and `non_letter`."""
    words: NDArray[np.int32]
    tokens: NDArray[np.int32]
    """[n] as `Predictions`, like `oov` and `truncated`."""
    oov: NDArray[np.float32]
    non_letter: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    language_index: NDArray[np.int16]
    """[n] position in `languages`."""
    languages: tuple[str, ...]
    """The guessed languages, sorted."""

    def to_bytes(self) -> bytes:
        """Return the safetensors file; equal References give equal bytes."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _DTYPES}
        return save(arrays, metadata={"languages": json.dumps(self.languages)})

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Reference":
        """Read the safetensors file; raise ArtifactError when it is not a Reference."""
        try:
            arrays = load(raw)
            languages = _read_languages(raw)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{REFERENCE_NAME}: not a Reference ({error})") from error
        _require_columns(arrays)
        return cls(languages=languages, **arrays)

    def save(self, path: Path) -> None:
        """Write the safetensors file by itself; `save_artifact` does it for an artifact."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "Reference":
        """Read a file that `save` or `save_artifact` wrote; verify an artifact's files first."""
        return cls.from_bytes(Path(path).read_bytes())


def build_reference(predictor: Predictor, texts: Sequence[str], labels: Sequence[str]) -> Reference:
    """Score and measure labelled texts; ValueError when a label is not one of the predictor's."""
    position = {label: index for index, label in enumerate(predictor.labels)}
    unknown = sorted(set(labels) - position.keys())
    if unknown or len(texts) != len(labels):
        raise ValueError(
            f"{len(texts)} texts with {len(labels)} labels, of which not the model's: {unknown}"
        )
    rows = _predict_in_batches(predictor, texts)
    measures = [measure_text(text) for text in texts]
    languages = tuple(sorted({measure.language for measure in measures}))
    columns: Mapping[str, Any] = {
        "projection": rows.projection,
        "scores": rows.scores,
        "label_indices": rows.label_indices,
        "true_indices": [position[label] for label in labels],
        "characters": [measure.characters for measure in measures],
        "words": [measure.words for measure in measures],
        "tokens": rows.tokens,
        "oov": rows.out_of_vocabulary,
        "non_letter": [measure.non_letter_share for measure in measures],
        "truncated": rows.truncated,
        "language_index": [languages.index(measure.language) for measure in measures],
    }
    arrays: dict[str, Any] = {
        name: np.asarray(columns[name], dtype) for name, dtype in _DTYPES.items()
    }
    return Reference(**arrays, languages=languages)


def _predict_in_batches(predictor: Predictor, texts: Sequence[str]) -> Predictions:
    starts = range(0, max(len(texts), 1), _BATCH)
    parts = [predictor.predict(texts[start : start + _BATCH]) for start in starts]
    columns = [field.name for field in fields(Predictions)]
    return Predictions(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    )


def _read_languages(raw: bytes) -> tuple[str, ...]:
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    languages = json.loads(header["__metadata__"]["languages"])
    return tuple(str(language) for language in languages)


def _require_columns(arrays: Mapping[str, NDArray[Any]]) -> None:
    if arrays.keys() != _DTYPES.keys():
        wrong = sorted(arrays.keys() ^ _DTYPES.keys())
        raise ArtifactError(f"{REFERENCE_NAME}: missing or unknown arrays: {', '.join(wrong)}")
    rows = len(arrays["true_indices"])
    for name, dtype in _DTYPES.items():
        shape = arrays[name].shape
        is_table = name in {"projection", "scores"}
        if arrays[name].dtype != dtype or len(shape) != 1 + is_table or shape[0] != rows:
            raise ArtifactError(f"{REFERENCE_NAME}: {name} has the wrong type or shape {shape}")
