"""Prediction events as the drift-monitor takes them: columns of measures, never a text.

A text is measured and fingerprinted when its prediction is reported, and goes no further: what
waits are plain values. A batch is one msgpack object with an array per column, at most 500 rows
and 256 kB. How it is packed is the business of a queue (`event_queues`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import msgspec

from textmodels.predictions import Answer

_SCHEMA = 1
_MORE_OF_A_BATCH = 3  # its id, its rows, its columns
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


@dataclass(frozen=True)
class Subject:
    """What all events of a process are about, and the key of their texts' fingerprints."""

    model: str
    digest: str
    labels: tuple[str, ...]
    fingerprint_key: bytes

    @property
    def opening(self) -> bytes:
        """What every batch begins with, packed: a map, to which each adds what is its own."""
        opening = {
            "schema": _SCHEMA,
            "model": self.model,
            "version": self.digest,
            "labels": self.labels,
        }
        head = 0x80 | len(opening) + _MORE_OF_A_BATCH  # msgpack's for a map of up to 15
        return bytes([head]) + _encode(opening)[1:]

    @property
    def key(self) -> bytes:
        """The key at the length that BLAKE2b takes."""
        return sha256(self.fingerprint_key).digest()


class EventQueue(Protocol):
    """Rows that wait to be sent, one a text, or one for a request whose texts were not scored."""

    @property
    def rows(self) -> int:
        """How many wait."""
        ...

    @property
    def full(self) -> bool:
        """Whether a batch waits to which nothing can be added."""
        ...

    def add(self, event: Event, /) -> None:
        """Keep what happened to a request, or drop all of it where it does not fit."""
        ...

    def add_answers(
        self, request_id: str, seconds: float, texts: Sequence[str], answers: Sequence[Answer], /
    ) -> None:
        """Keep that a request without slices was answered just now, after so many seconds."""
        ...

    def take(self) -> tuple[bytes, int] | None:
        """Return (batch, rows) of the oldest rows, which wait no longer; None: none wait."""
        ...
