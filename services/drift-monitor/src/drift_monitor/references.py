"""A version's Reference, ready to compare with: the rows it was accepted on, by part."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from drift_monitor.batches import PROJECTION, EventBatch
from drift_monitor.detectors import FEWEST_ROWS, Sample
from drift_monitor.parts import Parts, languages_of, parts_of
from drift_monitor.ports import ReferenceRefused
from drift_monitor.quiet import Material
from drift_monitor.sketches import Floats, Rows, Sketcher, make_sketcher, signs_of
from drift_monitor.windows import ALL
from drift_monitor.yardsticks import Yardstick, make_yardstick

MEASURED = {
    "projection": 2,
    "scores": 2,
    "label_indices": 1,
    "words": 1,
    "oov": 1,
    "non_letter": 1,
    "truncated": 1,
    "language_index": 1,
}
"""Columns of a file of rows that are compared with, and how many dimensions each has."""
_COLUMNS = MEASURED | {"true_indices": 1}
# More rows would only make resampling slower: at 10,000 the inflation is under 1.02 per 200.
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class Reference:
    """One version's Reference: how to sketch and measure rows, its own rows, means by Slice, and
    the share of right answers by Slice.
    """

    sketcher: Sketcher
    yardstick: Yardstick
    rows: Rows
    parts: Parts
    means: Mapping[str, Sample]
    accuracy: Mapping[str, float]

    def part(self, slice_name: str) -> str:
        """Name the part of the Reference that a Slice is compared with."""
        return self.parts.name(slice_name)

    def sample(self, slice_name: str) -> Sample | None:
        """Return what a Slice is compared with; None where too few rows were accepted on it."""
        return self.means.get(self.part(slice_name))

    def accuracy_on(self, slice_name: str) -> float:
        """Return the share of right answers on what a Slice is compared with."""
        return self.accuracy.get(self.part(slice_name), self.accuracy[ALL])

    def vectors(self, part: str) -> NDArray[np.float32]:
        """Return the vectors [n_ref, width] of a part, from which its null is resampled."""
        return self.sketcher.vectors(self.rows.take(self.parts.rows[part]))

    def material(self, part: str) -> Material:
        """Return what the null of a part is resampled from."""
        return Material(self.sketcher, self.vectors(part))

    def null_name(self, part: str) -> str:
        """Name what is kept of a part's null."""
        return part


def read_reference(raw: bytes, labels: tuple[str, ...]) -> Reference:
    """Read a reference.safetensors of a version with these labels; raises ReferenceRefused."""
    columns = read_columns(raw, len(labels), _COLUMNS)
    columns = {name: values[_spread(len(values))] for name, values in columns.items()}
    rows = rows_of_columns(columns, read_languages(raw))
    parts = parts_of(rows, languages_of(rows))
    sketcher = make_sketcher(labels, rows)
    vectors = sketcher.vectors(rows)
    right = columns["true_indices"] == columns["label_indices"]
    means, accuracy = {}, {}
    for name, chosen in parts.rows.items():
        if chosen.sum() >= FEWEST_ROWS:
            mean = vectors[chosen].mean(axis=0, dtype=np.float64)
            means[name] = Sample(int(chosen.sum()), mean)
            accuracy[name] = float(right[chosen].mean())
    yardstick = make_yardstick(sketcher, rows, right)
    return Reference(sketcher, yardstick, rows, parts, means, accuracy)


def rows_of_columns(columns: Mapping[str, NDArray[np.generic]], languages: Sequence[str]) -> Rows:
    """Return the rows of a Reference's columns; `language_index` counts the languages."""
    return Rows(
        label=columns["label_indices"].astype(np.int64),
        scores=columns["scores"].astype(np.float32),
        projection=columns["projection"].astype(np.float32),
        language=np.array(languages)[columns["language_index"].astype(np.int64)],
        measures=_measures(
            columns["scores"].max(axis=1), columns["words"], columns["oov"], columns["non_letter"]
        ),
        flags=_flags(columns["truncated"], columns["words"]),
        # Nothing is kept of a Reference by which its texts could be told apart.
        signs=signs_of([""] * len(columns["words"])),
    )


def rows_of(batch: EventBatch) -> Rows:
    """Return the answered rows of a batch as the Reference's rows are."""
    rows = Rows(
        label=batch.label,
        scores=batch.scores,
        projection=batch.projection,
        language=np.array(batch.language),
        measures=_measures(batch.confidence, batch.words, batch.oov, batch.non_letter),
        flags=_flags(batch.truncated, batch.words),
        signs=signs_of(batch.fingerprint),
    )
    return rows if batch.answered.all() else rows.take(batch.answered)


def _flags(
    truncated: NDArray[np.generic], words: NDArray[np.generic]
) -> Mapping[str, NDArray[np.bool_]]:
    return {"truncated": truncated.astype(bool), "empty": words.astype(np.float64) == 0}


def _measures(
    confidence: NDArray[np.generic],
    words: NDArray[np.generic],
    oov: NDArray[np.generic],
    non_letter: NDArray[np.generic],
) -> Mapping[str, Floats]:
    # float32 on both sides first: a Reference's 0.1 must not differ from an event's 0.1.
    columns = [column.astype(np.float32).astype(np.float64) for column in (confidence, oov)]
    return {
        "confidence": columns[0],
        "length": np.log1p(words.astype(np.float64)),
        "unknown_words": columns[1],
        "non_letter": non_letter.astype(np.float32).astype(np.float64),
    }


def read_columns(
    raw: bytes, labels: int, wanted: Mapping[str, int]
) -> dict[str, NDArray[np.generic]]:
    """Read the wanted columns of a file of a version with so many labels; ReferenceRefused."""
    try:
        columns = load(raw)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ReferenceRefused(f"the Reference is not a safetensors file: {error}") from error
    missing = sorted(name for name in wanted if name not in columns)
    if missing:
        raise ReferenceRefused(f"the Reference has no {', '.join(missing)}")
    rows = len(columns["label_indices"])
    for name, dimensions in wanted.items():
        column = columns[name]
        wrong = column.ndim != dimensions or len(column) != rows or not np.isfinite(column).all()
        if wrong or (name == "words" and (column < 0).any()):
            raise ReferenceRefused(f"the Reference's {name} has a wrong shape or value")
    width = columns["projection"].shape[1]
    if width != PROJECTION:
        raise ReferenceRefused(f"the Reference's projection is {width} wide, not {PROJECTION}")
    if rows < FEWEST_ROWS:
        raise ReferenceRefused(f"the Reference has {rows} rows: at least {FEWEST_ROWS} are needed")
    answers = columns["label_indices"]
    if columns["scores"].shape[1] != labels or answers.min() < 0 or answers.max() >= labels:
        raise ReferenceRefused(f"the Reference is not one of a version with {labels} labels")
    return {name: columns[name] for name in wanted}


def read_languages(raw: bytes) -> list[str]:
    """Read the names that `language_index` counts, from the file's header."""
    length = int.from_bytes(raw[:8], "little")
    try:
        return [
            str(name)
            for name in json.loads(json.loads(raw[8 : 8 + length])["__metadata__"]["languages"])
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ReferenceRefused("the Reference does not name its languages") from error


def _spread(rows: int) -> NDArray[np.int64]:
    """Choose evenly spread rows when there are more than needed."""
    return np.unique(np.linspace(0, rows - 1, min(rows, _MOST_ROWS)).astype(np.int64))
