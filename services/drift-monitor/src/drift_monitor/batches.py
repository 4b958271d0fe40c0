"""What a batch of prediction events must look like, and the columns read from it.

One array per field; a batch that breaks the contract is refused as a whole with the column's
name, because half a batch would make every rate wrong. Texts never arrive here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from lifecycle.digests import is_digest

SCHEMA = 1
MAX_BYTES = 256 * 1024
MAX_ROWS = 500
PROJECTION = 64
_LONGEST_TEXT = 200
_MAX_SLICE_KEYS = 16

_Read = TypeVar("_Read")
_Text = Annotated[str, Meta(max_length=_LONGEST_TEXT)]
_Name = Annotated[str, Meta(min_length=1, max_length=_LONGEST_TEXT)]
_SliceMap = Annotated[dict[_Name, _Name], Meta(max_length=_MAX_SLICE_KEYS)]
_Outcome = Literal["ok", "rejected", "error", "overloaded"]


class BatchRefused(Exception):
    """A batch that cannot be used; the text names the column and what is allowed."""


class Head(msgspec.Struct, gc=False):
    """What a batch says of itself before its columns."""

    batch_id: _Name
    rows: Annotated[int, Meta(ge=1, le=MAX_ROWS)]


class _Columns(msgspec.Struct, gc=False):
    """One entry per row in each, but for the projection: its rows one after the other."""

    request_id: list[_Text]
    time: list[float]
    outcome: list[_Outcome]
    latency_ms: list[float]
    label: list[int]
    scores: list[list[float]]
    words: list[float]
    oov: list[float]
    non_letter: list[float]
    language: list[_Text]
    truncated: list[bool]
    projection: bytes
    fingerprint: list[_Text]
    # As they stand in the batch: of 500 maps most are alike, and each kind is read once.
    slices: list[msgspec.Raw]


class _Document(Head, gc=False):
    schema: Literal[1]
    model: _Name
    version: str
    labels: Annotated[list[_Text], Meta(max_length=1000)]
    columns: _Columns


_HEAD = msgspec.msgpack.Decoder(Head)
_DOCUMENT = msgspec.msgpack.Decoder(_Document)
_SLICES = msgspec.msgpack.Decoder(_SliceMap)


@dataclass(frozen=True)
class EventBatch:
    """The columns this service uses; all arrays have one entry per row.

    `label` indexes `labels`, -1 where there is none. `scores` are [rows, labels], 0 where there
    are none. `projection` is float32 [rows, 64]. `kinds` are the different maps of slices, `kind`
    says which of them is a row's.
    """

    batch_id: str
    model: str
    version: str
    labels: tuple[str, ...]
    request_id: Sequence[str]
    time: NDArray[np.float64]
    outcome: Sequence[str]
    latency_ms: NDArray[np.float64]
    label: NDArray[np.int64]
    scores: NDArray[np.float32]
    words: NDArray[np.float64]
    oov: NDArray[np.float64]
    non_letter: NDArray[np.float64]
    language: Sequence[str]
    truncated: NDArray[np.bool_]
    projection: NDArray[np.float32]
    fingerprint: Sequence[str]
    kinds: tuple[Mapping[str, str], ...]
    kind: NDArray[np.intp]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The highest score of each row."""
        highest: NDArray[np.float64] = self.scores.max(axis=1, initial=0.0).astype(np.float64)
        return highest

    @property
    def rows(self) -> int:
        """Number of events."""
        return len(self.request_id)

    @property
    def slices(self) -> list[Mapping[str, str]]:
        """The map of each row."""
        return [self.kinds[kind] for kind in self.kind]

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """Which rows carry a label a user (or the mirror) got."""
        return np.array([outcome == "ok" for outcome in self.outcome], dtype=bool)


def read_head(body: bytes) -> Head:
    """Read how a batch is called and how many rows it has, or raise BatchRefused."""
    return _decode(_HEAD, body)


def read_batch(body: bytes) -> EventBatch:
    """Read a msgpack batch or raise BatchRefused."""
    document = _decode(_DOCUMENT, body)
    columns, rows, labels = document.columns, document.rows, tuple(document.labels)
    kinds, kind = _slices(columns.slices, rows)
    batch = EventBatch(
        batch_id=document.batch_id,
        model=document.model,
        version=document.version,
        labels=labels,
        request_id=_whole("request_id", columns.request_id, rows),
        time=_numbers("time", columns.time, rows),
        outcome=_whole("outcome", columns.outcome, rows),
        latency_ms=_numbers("latency_ms", columns.latency_ms, rows),
        label=_labels(columns.label, rows, len(labels)),
        scores=_scores(columns.scores, rows, len(labels)),
        words=_numbers("words", columns.words, rows),
        oov=_numbers("oov", columns.oov, rows),
        non_letter=_numbers("non_letter", columns.non_letter, rows),
        language=_whole("language", columns.language, rows),
        truncated=np.array(_whole("truncated", columns.truncated, rows), dtype=bool),
        projection=_projection(columns.projection, rows),
        fingerprint=_whole("fingerprint", columns.fingerprint, rows),
        kinds=kinds,
        kind=kind,
    )
    if not is_digest(batch.version):
        raise BatchRefused(f"version is {batch.version!r:.80}: expected sha256:<64 hex digits>")
    if (batch.label[batch.answered] < 0).any():
        raise BatchRefused("label is -1 in a row whose outcome is ok")
    return batch


def _decode(decoder: "msgspec.msgpack.Decoder[_Read]", body: bytes) -> _Read:
    try:
        return decoder.decode(body)
    # Also what is skipped may be nested deeper than anybody means.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BatchRefused(f"the body is not a batch of schema {SCHEMA}: {error}") from error


def _whole(key: str, values: Sequence[_Read], rows: int) -> Sequence[_Read]:
    if len(values) != rows:
        raise BatchRefused(f"{key} must be an array with one entry per row")
    return values


def _numbers(key: str, column: list[float], rows: int) -> NDArray[np.float64]:
    values = np.array(_whole(key, column, rows), dtype=np.float64)
    if not np.isfinite(values).all():
        raise BatchRefused(f"{key} must hold one finite number per row")
    return values


def _labels(column: list[int], rows: int, known: int) -> NDArray[np.int64]:
    values = _whole("label", column, rows)
    if not -1 <= min(values) <= max(values) < known:
        raise BatchRefused(f"label must index the {known} labels, or be -1")
    return np.array(values, dtype=np.int64)


def _scores(column: list[list[float]], rows: int, labels: int) -> NDArray[np.float32]:
    """Read a list of numbers a row: one a label, or none where nothing was scored."""
    none = [0.0] * labels
    given = [scores or none for scores in _whole("scores", column, rows)]
    if {len(scores) for scores in given} != {labels}:
        raise BatchRefused(f"scores must hold a list of {labels} numbers per row, or none")
    values = np.array(given, dtype=np.float64).reshape(rows, labels)
    if not np.isfinite(values).all():
        raise BatchRefused("scores must hold finite numbers")
    return values.astype(np.float32)


def _projection(value: bytes, rows: int) -> NDArray[np.float32]:
    if len(value) != rows * PROJECTION * 2:
        raise BatchRefused(f"projection must be {rows} x {PROJECTION} little-endian float16")
    projection = np.frombuffer(value, dtype="<f2").astype(np.float32).reshape(rows, PROJECTION)
    if not np.isfinite(projection).all():
        raise BatchRefused("projection holds a number that is not finite")
    return projection


def _slices(
    column: list[msgspec.Raw], rows: int
) -> tuple[tuple[Mapping[str, str], ...], NDArray[np.intp]]:
    places: dict[bytes, int] = {}
    # `places` is as long as it was until a new map is in it.
    kind = [places.setdefault(bytes(raw), len(places)) for raw in _whole("slices", column, rows)]
    try:
        kinds = tuple(_SLICES.decode(raw) for raw in places)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BatchRefused(
            f"slices must hold a map of at most {_MAX_SLICE_KEYS} short texts per row: {error}"
        ) from error
    return kinds, np.array(kind, dtype=np.intp)
