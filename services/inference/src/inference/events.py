"""Prediction events as the drift-monitor takes them: columns of measures, never a text.

A text is measured and fingerprinted when its prediction is reported, and goes no further: what
waits are rows of plain values. A batch is one msgpack object with an array per column, at most
500 rows and 256 kB.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b, sha256
from typing import Any

import msgspec

from textmodels.predictions import PROJECTION_SIZE, Answer
from textmodels.slices import LengthSlice, length_slice
from textmodels.text_measures import MEASURES

ROWS_LIMIT = 500
BYTES_LIMIT = 256_000

COLUMNS = (
    "request_id",
    "time",
    "outcome",
    "latency_ms",
    "fingerprint",
    "characters",
    "words",
    "non_letter",
    "language",
    "slices",
    "label",
    "scores",
    "tokens",
    "oov",
    "truncated",
    "projection",
)
Row = tuple[Any, ...]
"""What is reported about one text, or about a request without predictions: a value a column."""

_SCHEMA = 1
_FINGERPRINT_BYTES = 16
_measure = MEASURES[0]
_NO_ANSWER = Answer(-1, [], 0, 0.0, truncated=False, projection=bytes(2 * PROJECTION_SIZE))
_encode = msgspec.msgpack.Encoder().encode


class Event(msgspec.Struct, gc=False):
    """What happened to one request; without answers when none of its texts was scored."""

    request_id: str
    time: float
    outcome: str
    latency_ms: float
    slices: Mapping[str, str]
    texts: Sequence[str] = ()
    answers: Sequence[Answer] | None = None

    @property
    def rows(self) -> int:
        """How many rows it has: one a text, or one for the request."""
        return len(self.texts) if self.answers is not None else 1


@dataclass(frozen=True)
class BatchWriter:
    """Writes batches about one version, with fingerprints under one key."""

    model: str
    digest: str
    labels: tuple[str, ...]
    fingerprint_key: bytes
    new_id: Callable[[], str]

    def rows(self, event: Event) -> list[Row]:
        """Measure what happened to a request: a row a text, or one for the request."""
        if event.answers is None:
            return [self._row(event, event.request_id, "", _NO_ANSWER)]
        if len(event.texts) == 1:
            return [self._row(event, event.request_id, event.texts[0], event.answers[0])]
        return [
            self._row(event, f"{event.request_id}#{number}", text, answer)
            for number, (text, answer) in enumerate(zip(event.texts, event.answers, strict=True))
        ]

    def write(self, rows: Sequence[Row]) -> list[tuple[bytes, int]]:
        """Return (msgpack, rows) of one batch, or of several when it would be too large."""
        batch = self._pack(rows)
        if len(rows) > 1 and (len(rows) > ROWS_LIMIT or len(batch) > BYTES_LIMIT):
            half = len(rows) // 2
            return self.write(rows[:half]) + self.write(rows[half:])
        return [(batch, len(rows))]

    def _row(self, event: Event, request_id: str, text: str, answer: Answer) -> Row:
        characters, words, non_letter, guess = _measure(text)
        language = event.slices.get("language", guess)
        slices = _measured_slices(length_slice(words), language)
        if event.slices:
            slices = {**event.slices, **slices}
        return (
            request_id,
            event.time,
            event.outcome,
            event.latency_ms,
            self._fingerprint(text),
            characters,
            words,
            non_letter,
            language,
            slices,
            *answer,
        )

    def _fingerprint(self, text: str) -> str:
        if not text:
            return ""
        mac = self._keyed.copy()
        mac.update(text.encode())
        return mac.hexdigest()

    @cached_property
    def _keyed(self) -> "blake2b":
        # A keyed BLAKE2b is a MAC by itself (RFC 7693), at a fifth of the time of OpenSSL's HMAC.
        key = sha256(self.fingerprint_key).digest()  # it takes 64 bytes at most
        return blake2b(key=key, digest_size=_FINGERPRINT_BYTES)

    def _pack(self, rows: Sequence[Row]) -> bytes:
        columns: dict[str, Any] = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
        columns["projection"] = b"".join(columns["projection"])
        batch = {
            "schema": _SCHEMA,
            "batch_id": self.new_id(),
            "model": self.model,
            "version": self.digest,
            "labels": self.labels,
            "rows": len(rows),
            "columns": columns,
        }
        return _encode(batch)


@lru_cache(100)  # languages are few, unless callers name them
def _measured_slices(length: LengthSlice, language: str) -> dict[str, str]:
    """Return what texts of a length and a language share: those that wait are many."""
    return {"length": length, "language": language}
