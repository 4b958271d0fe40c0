"""One keep-alive HTTP/1.1 connection that carries one request at a time.

Written on asyncio's protocols because the generator shares its cores with what it measures:
a request costs it some tens of microseconds, a client library's costs a millisecond.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httptools


@dataclass(frozen=True)
class Outgoing:
    """One request: its bytes, when it was due and which text it carries."""

    content: bytes
    due: float
    text: int


@dataclass(frozen=True)
class Incoming:
    """One answer: what the load generator counts of it."""

    status: int
    version: str | None
    request_id: str | None


class Listener(Protocol):
    """Who is told what became of a request; times are its clock's."""

    def answered(self, channel: "Channel", request: Outgoing, answer: Incoming) -> None:
        """An answer has come and the channel is free again."""

    def lost(self, channel: "Channel", request: Outgoing | None) -> None:
        """The connection is gone, with the request that was waiting on it, if any."""


class Channel(asyncio.Protocol):
    """The connection; `sent_at` is when its current request left."""

    def __init__(self, listener: Listener, clock: Callable[[], float]) -> None:
        self._listener = listener
        self._clock = clock
        self._transport: Any = None
        self._request: Outgoing | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self.sent_at = 0.0

    def send(self, request: Outgoing) -> None:
        """Send a request; the channel must be free."""
        self._request = request
        self.sent_at = self._clock()
        self._transport.write(request.content)

    def give_up(self) -> Outgoing | None:
        """Drop the connection and return the request that waited on it."""
        request, self._request = self._request, None
        self._transport.abort()
        return request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way out (asyncio's call)."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse what came (asyncio's call)."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's call
        """Report the loss (asyncio's call)."""
        request, self._request = self._request, None
        self._listener.lost(self, request)

    def on_message_begin(self) -> None:
        """Begin an answer (the parser's call)."""
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the two headers that are counted (the parser's call)."""
        lower = name.lower()
        if lower in (b"x-model-version", b"x-request-id"):
            self._headers[lower] = value

    def on_message_complete(self) -> None:
        """Report the answer (the parser's call)."""
        request, self._request = self._request, None
        if request is None:
            return
        answer = Incoming(
            self._parser.get_status_code(),
            _text(self._headers.get(b"x-model-version")),
            _text(self._headers.get(b"x-request-id")),
        )
        if not self._parser.should_keep_alive():
            self._transport.close()
        self._listener.answered(self, request, answer)

    @property
    def closing(self) -> bool:
        """Tell whether the connection is on its way down."""
        return bool(self._transport.is_closing())


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value is not None else None
