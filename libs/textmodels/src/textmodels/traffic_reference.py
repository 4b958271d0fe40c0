"""Traffic that was accepted, as a Reference: what texts of some weeks looked like to a version.

Usually the drift-monitor writes this file from the rows that it kept; here it is made of texts that
somebody else kept, by the same measures. It has no truth: what is compared are texts and answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import save

from textmodels.predictions import Predictor
from textmodels.reference import build_reference

TRAFFIC_REFERENCE_NAME = "accepted.safetensors"
MOST_ROWS = 10_000
"""More would only make resampling slower; of more texts so many are drawn."""
_BLOCK_SECONDS = 600.0
_COPIED = (
    "projection",
    "scores",
    "label_indices",
    "words",
    "oov",
    "non_letter",
    "truncated",
    "language_index",
)


@dataclass(frozen=True)
class Traffic:
    """Texts that a version answered, and when each came, in seconds since the epoch."""

    texts: Sequence[str]
    times: Sequence[float]


def build_traffic_reference(predictor: Predictor, digest: str, traffic: Traffic) -> bytes:
    """Score and measure texts of the version `digest`; returns a safetensors file.

    Rows of the same ten minutes are a block: they resemble each other and are resampled together.
    ValueError without texts, or when not each has a time.
    """
    if not traffic.texts or len(traffic.texts) != len(traffic.times):
        raise ValueError(f"{len(traffic.texts)} texts with {len(traffic.times)} times")
    drawn = _drawn(traffic)
    # The truth is not known, and not written.
    rows = build_reference(predictor, drawn.texts, [predictor.labels[0]] * len(drawn.texts))
    columns = {name: np.ascontiguousarray(getattr(rows, name)) for name in _COPIED}
    columns["block"] = (np.asarray(drawn.times) // _BLOCK_SECONDS).astype(np.int64)
    about: Mapping[str, object] = {
        "version": digest,
        "labels": list(predictor.labels),
        "languages": list(rows.languages),
        "start": min(traffic.times),
        "end": max(traffic.times),
        "texts": len(traffic.texts),
    }
    # One key only: several are written in no order of their own.
    metadata = {"about": json.dumps(about, sort_keys=True)}
    return save(columns, metadata=metadata)


def _drawn(traffic: Traffic) -> Traffic:
    """Draw from more texts than are needed, in their order and the same ones each time."""
    if len(traffic.texts) <= MOST_ROWS:
        return traffic
    rng = np.random.default_rng(len(traffic.texts))
    places = np.sort(rng.choice(len(traffic.texts), MOST_ROWS, replace=False)).tolist()
    return Traffic([traffic.texts[p] for p in places], [traffic.times[p] for p in places])
