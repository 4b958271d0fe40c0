"""The queue of prediction events where nothing is compiled: rows of values, packed when taken.

It packs what `native/events.h` does, in some ten times the time; one suite holds both.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from inference.events import Event, Subject
from textmodels.predictions import PROJECTION_SIZE, Answer
from textmodels.slices import LengthSlice, length_slice
from textmodels.text_measures import MEASURES

_ROWS_LIMIT = 500
_BYTES_LIMIT = 256_000
_FINGERPRINT_BYTES = 16
_COLUMNS = (
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
_Row = tuple[Any, ...]
_measure = MEASURES[0]
_NO_ANSWER = Answer(-1, [], 0, 0.0, truncated=False, projection=bytes(2 * PROJECTION_SIZE))
_encode = msgspec.msgpack.Encoder().encode


class EventQueue:
    """As `events.EventQueue` says; made of what `events.EventQueues` has."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the extension takes
        self,
        subject: Subject,
        limit: int,
        wall: Callable[[], float],
        new_id: Callable[[], str],
        notice: Callable[[], None],
        drop: Callable[[int], None],
    ) -> None:
        self._opening = subject.opening
        # A keyed BLAKE2b is a MAC by itself (RFC 7693), at a fifth of the time of OpenSSL's HMAC.
        self._keyed = blake2b(key=subject.key, digest_size=_FINGERPRINT_BYTES)
        self._limit = limit
        self._wall = wall
        self._new_id = new_id
        self._notice = notice
        self._drop = drop
        self._waiting: deque[_Row] = deque()

    @property
    def rows(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether as many wait as a batch may have."""
        return len(self._waiting) >= _ROWS_LIMIT

    def add(self, event: Event, /) -> None:
        """Measure every text; a row each, or one for the request."""
        told = [("", _NO_ANSWER)]
        if event.answers is not None:
            told = list(zip(event.texts, event.answers, strict=True))
        before = len(self._waiting)
        if before + len(told) > self._limit:
            self._drop(len(told))
            return
        for number, (text, answer) in enumerate(told):
            request_id = event.request_id if len(told) == 1 else f"{event.request_id}#{number}"
            self._waiting.append(self._row(event, request_id, text, answer))
        if before == 0 or before // _ROWS_LIMIT < len(self._waiting) // _ROWS_LIMIT:
            self._notice()

    def add_answers(
        self, request_id: str, seconds: float, texts: Sequence[str], answers: Sequence[Answer], /
    ) -> None:
        """Add what happened just now."""
        self.add(Event(request_id, self._wall(), "ok", seconds * 1000, {}, texts, answers))

    def take(self) -> tuple[bytes, int] | None:
        """Pack the oldest rows: half as many, while they are too large for a batch."""
        rows = [self._waiting.popleft() for _ in range(min(_ROWS_LIMIT, len(self._waiting)))]
        if not rows:
            return None
        batch = self._pack(rows)
        while len(batch) > _BYTES_LIMIT and len(rows) > 1:
            half = len(rows) // 2
            self._waiting.extendleft(reversed(rows[half:]))
            rows = rows[:half]
            batch = self._pack(rows)
        return batch, len(rows)

    def _row(self, event: Event, request_id: str, text: str, answer: Answer) -> _Row:
        happened = (request_id, event.time, event.outcome, event.latency_ms)
        return (*happened, self._fingerprint(text), *_measures(text, event.slices), *answer)

    def _fingerprint(self, text: str) -> str:
        if not text:
            return ""
        mac = self._keyed.copy()
        mac.update(text.encode())
        return mac.hexdigest()

    def _pack(self, rows: Sequence[_Row]) -> bytes:
        columns: dict[str, Any] = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
        columns["projection"] = b"".join(columns["projection"])
        own = {"batch_id": self._new_id(), "rows": len(rows), "columns": columns}
        return self._opening + _encode(own)[1:]


def _measures(text: str, slices: Mapping[str, str]) -> _Row:
    characters, words, non_letter, guess = _measure(text)
    language = slices.get("language", guess)
    measured = _measured_slices(length_slice(words), language)
    return characters, words, non_letter, language, {**slices, **measured} if slices else measured


@lru_cache(100)  # languages are few, unless callers name them
def _measured_slices(length: LengthSlice, language: str) -> dict[str, str]:
    """Return what texts of a length and a language share: those that wait are many."""
    return {"length": length, "language": language}
