"""Prediction events as the drift-monitor takes them: columns of measures, never a text.

A batch is one msgpack object with an array per field, at most 500 rows and 256 kB. The text of a
row is measured and fingerprinted here and goes no further.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack
import numpy as np

from textmodels.predictions import PROJECTION_SIZE, Predictions
from textmodels.slices import length_slice
from textmodels.text_measures import measure_text

ROWS_LIMIT = 500
BYTES_LIMIT = 256_000

_SCHEMA = 1
_NO_LABEL = -1
_FINGERPRINT_HEX_DIGITS = 32
_NO_PROJECTION = np.zeros(PROJECTION_SIZE, np.float16)
_PROJECTION_TYPE = np.dtype("<f2")


class Event(NamedTuple):
    """What happened to one text; `text` is empty when the request was refused before any was."""

    request_id: str
    time: float
    outcome: str
    latency_ms: float
    slices: Mapping[str, str]
    text: str = ""
    predictions: Predictions | None = None
    row: int = 0
    """Which row of `predictions` is this text's."""


@dataclass(frozen=True)
class BatchWriter:
    """Writes batches about one version, with fingerprints under one key."""

    model: str
    digest: str
    labels: tuple[str, ...]
    fingerprint_key: bytes
    new_id: Callable[[], str]

    def write(self, events: Sequence[Event]) -> list[tuple[bytes, int]]:
        """Return (msgpack, rows) of one batch, or of several when it would be too large."""
        batch = self._pack(events)
        if len(events) > 1 and (len(events) > ROWS_LIMIT or len(batch) > BYTES_LIMIT):
            half = len(events) // 2
            return self.write(events[:half]) + self.write(events[half:])
        return [(batch, len(events))]

    def _pack(self, events: Sequence[Event]) -> bytes:
        batch = {
            "schema": _SCHEMA,
            "batch_id": self.new_id(),
            "model": self.model,
            "version": self.digest,
            "labels": list(self.labels),
            "rows": len(events),
            "columns": self._columns(events),
        }
        packed: bytes = msgpack.packb(batch)
        return packed

    def _columns(self, events: Sequence[Event]) -> dict[str, Any]:
        return {
            "request_id": [event.request_id for event in events],
            "time": [event.time for event in events],
            "outcome": [event.outcome for event in events],
            "latency_ms": [event.latency_ms for event in events],
            "fingerprint": [self._fingerprint(event.text) for event in events],
            **_measured(events),
            **_predicted(events),
        }

    def _fingerprint(self, text: str) -> str:
        mac = hmac.digest(self.fingerprint_key, text.encode(), "sha256")
        return mac.hex()[:_FINGERPRINT_HEX_DIGITS] if text else ""


def _measured(events: Sequence[Event]) -> dict[str, Any]:
    measures = [measure_text(event.text) for event in events]
    languages = [
        event.slices.get("language", measure.language)
        for event, measure in zip(events, measures, strict=True)
    ]
    return {
        "characters": [measure.characters for measure in measures],
        "words": [measure.words for measure in measures],
        "non_letter": [measure.non_letter_share for measure in measures],
        "language": languages,
        "slices": [
            {**event.slices, "length": length_slice(measure.words), "language": language}
            for event, measure, language in zip(events, measures, languages, strict=True)
        ],
    }


def _predicted(events: Sequence[Event]) -> dict[str, Any]:
    scored = [(event.predictions, event.row) for event in events]
    projections = [_NO_PROJECTION if p is None else p.projection[row] for p, row in scored]
    return {
        "label": [_NO_LABEL if p is None else int(p.label_indices[row]) for p, row in scored],
        "scores": [[] if p is None else p.scores[row].tolist() for p, row in scored],
        "tokens": [0 if p is None else int(p.tokens[row]) for p, row in scored],
        "oov": [0.0 if p is None else float(p.out_of_vocabulary[row]) for p, row in scored],
        "truncated": [False if p is None else bool(p.truncated[row]) for p, row in scored],
        "projection": np.stack(projections).astype(_PROJECTION_TYPE).tobytes(),
    }
