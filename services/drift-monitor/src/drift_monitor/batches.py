"""What a batch of prediction events must look like, and the columns read from it.

One array per field; a batch that breaks the contract is refused as a whole with the column's
name, because half a batch would make every rate wrong. Texts never arrive here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from lifecycle.digests import is_digest

SCHEMA = 1
MAX_BYTES = 256 * 1024
MAX_ROWS = 500
PROJECTION = 64
OUTCOMES = frozenset({"ok", "rejected", "error", "overloaded"})
_MAX_LABELS = 1000
_LONGEST_TEXT = 200
_MAX_SLICE_KEYS = 16


class BatchRefused(Exception):
    """A batch that cannot be used; the text names the column and what is allowed."""


@dataclass(frozen=True)
class EventBatch:
    """The columns this service uses; all arrays have one entry per row.

    `label` indexes `labels`, -1 where there is none. `scores` are [rows, labels], 0 where there
    are none. `projection` is float32 [rows, 64].
    """

    batch_id: str
    model: str
    version: str
    labels: tuple[str, ...]
    request_id: list[str]
    time: NDArray[np.float64]
    outcome: list[str]
    latency_ms: NDArray[np.float64]
    label: NDArray[np.int64]
    scores: NDArray[np.float32]
    words: NDArray[np.float64]
    oov: NDArray[np.float64]
    non_letter: NDArray[np.float64]
    language: list[str]
    truncated: NDArray[np.bool_]
    projection: NDArray[np.float32]
    fingerprint: list[str]
    slices: list[dict[str, str]]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The highest score of each row."""
        highest: NDArray[np.float64] = self.scores.max(axis=1, initial=0.0).astype(np.float64)
        return highest

    @property
    def rows(self) -> int:
        """Number of events."""
        return len(self.request_id)

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """Which rows carry a label a user (or the mirror) got."""
        return np.array([outcome == "ok" for outcome in self.outcome], dtype=bool)

    @cached_property
    def answered_rows(self) -> list[int]:
        """The positions of those rows."""
        return np.flatnonzero(self.answered).tolist()


def read_batch(body: bytes) -> EventBatch:
    """Read a msgpack batch or raise BatchRefused."""
    document = _unpack(body)
    labels = tuple(_texts(document, "labels", at_most=_MAX_LABELS))
    rows = document.get("rows")
    if not isinstance(rows, int) or not 1 <= rows <= MAX_ROWS:
        raise BatchRefused(f"rows is {rows!r}: expected a whole number from 1 to {MAX_ROWS}")
    columns = document.get("columns")
    if not isinstance(columns, dict):
        raise BatchRefused("columns is missing: expected one array per field")
    batch = EventBatch(
        batch_id=_text(document, "batch_id"),
        model=_text(document, "model"),
        version=_text(document, "version"),
        labels=labels,
        request_id=_texts(columns, "request_id", rows),
        time=_numbers(columns, "time", rows),
        outcome=_texts(columns, "outcome", rows),
        latency_ms=_numbers(columns, "latency_ms", rows),
        label=_labels(columns, rows, len(labels)),
        scores=_scores(columns, rows, len(labels)),
        words=_numbers(columns, "words", rows),
        oov=_numbers(columns, "oov", rows),
        non_letter=_numbers(columns, "non_letter", rows),
        language=_texts(columns, "language", rows),
        truncated=_numbers(columns, "truncated", rows) != 0,
        projection=_projection(columns, rows),
        fingerprint=_texts(columns, "fingerprint", rows),
        slices=_slices(columns, rows),
    )
    _refuse_contradictions(batch)
    return batch


def _unpack(body: bytes) -> dict[str, Any]:
    try:
        document = msgpack.unpackb(body)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise BatchRefused(f"the body is not one msgpack value: {error}") from error
    if not isinstance(document, dict):
        raise BatchRefused("the body is not a msgpack map")
    if document.get("schema") != SCHEMA:
        raise BatchRefused(f"schema is {document.get('schema')!r}: this service reads {SCHEMA}")
    return document


def _refuse_contradictions(batch: EventBatch) -> None:
    if not is_digest(batch.version):
        raise BatchRefused(f"version is {batch.version!r}: expected sha256:<64 hex digits>")
    if unknown := set(batch.outcome) - OUTCOMES:
        raise BatchRefused(f"outcome holds {sorted(unknown)}: expected {sorted(OUTCOMES)}")
    if (batch.label[batch.answered] < 0).any():
        raise BatchRefused("label is -1 in a row whose outcome is ok")


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise BatchRefused(f"{key} is {value!r:.80}: expected 1 to {_LONGEST_TEXT} characters")
    return value


def _texts(
    document: Mapping[str, Any], key: str, rows: int | None = None, at_most: int = MAX_ROWS
) -> list[str]:
    values = _column(document, key, rows)
    if len(values) > at_most or not _are_short(values):
        raise BatchRefused(f"{key} must hold at most {at_most} texts of {_LONGEST_TEXT} characters")
    return values


def _numbers(columns: Mapping[str, Any], key: str, rows: int) -> NDArray[np.float64]:
    values = _array(columns, key, rows, lambda column: np.asarray(column, dtype=np.float64))
    if values.shape != (rows,) or not np.isfinite(values).all():
        raise BatchRefused(f"{key} must hold one finite number per row")
    return values


def _labels(columns: Mapping[str, Any], rows: int, known: int) -> NDArray[np.int64]:
    values = _numbers(columns, "label", rows).astype(np.int64)
    if ((values < -1) | (values >= known)).any():
        raise BatchRefused(f"label must index the {known} labels, or be -1")
    return values


def _scores(columns: Mapping[str, Any], rows: int, labels: int) -> NDArray[np.float32]:
    """Read a list of numbers a row: one a label, or none where nothing was scored."""

    def table(column: Sequence[Any]) -> NDArray[np.float64]:
        none = [0.0] * labels
        return np.array([scores or none for scores in column], dtype=np.float64)

    values = _array(columns, "scores", rows, table)
    if values.shape != (rows, labels) or not np.isfinite(values).all():
        raise BatchRefused(f"scores must hold a list of {labels} finite numbers per row, or none")
    return values.astype(np.float32)


def _array(
    columns: Mapping[str, Any],
    key: str,
    rows: int,
    read: Callable[[Sequence[Any]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    try:
        return read(_column(columns, key, rows))
    except (ValueError, TypeError) as error:
        raise BatchRefused(f"{key} does not hold numbers: {error}") from error


def _projection(columns: Mapping[str, Any], rows: int) -> NDArray[np.float32]:
    value = columns.get("projection")
    if not isinstance(value, bytes) or len(value) != rows * PROJECTION * 2:
        raise BatchRefused(f"projection must be {rows} x {PROJECTION} little-endian float16")
    projection = np.frombuffer(value, dtype="<f2").astype(np.float32).reshape(rows, PROJECTION)
    if not np.isfinite(projection).all():
        raise BatchRefused("projection holds a number that is not finite")
    return projection


def _slices(columns: Mapping[str, Any], rows: int) -> list[dict[str, str]]:
    values = _column(columns, "slices", rows)
    if set(map(type, values)) != {dict} or max(map(len, values)) > _MAX_SLICE_KEYS:
        raise BatchRefused(f"slices must hold a map of at most {_MAX_SLICE_KEYS} keys per row")
    texts: set[Any] = set()
    try:
        for value in values:
            texts.update(value.keys(), value.values())
    except TypeError as error:  # a list or a map, which has no hash
        raise BatchRefused("slices must map short texts to short texts") from error
    if "" in texts or not _are_short(texts):
        raise BatchRefused("slices must map short texts to short texts")
    return values


def _are_short(values: Collection[Any]) -> bool:
    # Types and lengths by map: as a generator this was a third of reading a batch.
    return set(map(type, values)) <= {str} and max(map(len, values), default=0) <= _LONGEST_TEXT


def _column(document: Mapping[str, Any], key: str, rows: int | None) -> list[Any]:
    values = document.get(key)
    if not isinstance(values, list) or (rows is not None and len(values) != rows):
        raise BatchRefused(f"{key} must be an array with one entry per row")
    return values
