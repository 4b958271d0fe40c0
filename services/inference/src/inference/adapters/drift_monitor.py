"""The drift-monitor as a place for batches of prediction events.

A batch goes out in one write on the event loop that answers callers: handing it to a thread costs
several times that, and the thread then takes turns from the loop while callers wait.
"""

import asyncio
import ssl
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools

from inference.ports import EventsRefused, EventsUnavailable
from servicekit.callers import FileRefused, read_token

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0  # from the first byte of a batch
_TRY_AGAIN = {408, 425, 429}  # beside every 5xx
_TOLD = 200  # bytes of an answer that refuses


class DriftMonitor:
    """Posts batches to one drift-monitor; the token is read anew, since it may be rotated."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = f"{url.rstrip('/')}/v1/events"
        self._place = urlsplit(self._url)
        self._token_file = token_file
        self._tls = ssl.create_default_context() if self._place.scheme == "https" else None
        self._connection: _Connection | None = None

    async def send(self, batch: bytes) -> None:
        """Post a batch, after the one before it; raises EventsUnavailable or EventsRefused."""
        try:
            status, said = await self._post(batch)
        except (OSError, httptools.HttpParserError, FileRefused) as error:
            await self.close()  # what is left of an answer must not be taken for the next one's
            raise EventsUnavailable(f"{self._url} cannot be reached: {error!r}") from error
        if status in range(200, 300):
            return
        refusal = f"{self._url} answers {status}: {said}"
        if status >= 500 or status in _TRY_AGAIN:
            raise EventsUnavailable(refusal)
        raise EventsRefused(refusal)

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave()

    async def _post(self, batch: bytes) -> tuple[int, str]:
        head = self._head(len(batch))
        connection = await self._connected()
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await connection.ask(head, batch)

    def _head(self, size: int) -> bytes:
        lines = (
            f"POST {self._place.path} HTTP/1.1",
            f"Host: {self._place.netloc.rpartition('@')[2]}",
            f"Authorization: Bearer {read_token(self._token_file)}",
            "Content-Type: application/msgpack",
            f"Content-Length: {size}",
        )
        return "\r\n".join((*lines, "", "")).encode()

    async def _connected(self) -> "_Connection":
        if self._connection is None or self._connection.is_over:
            host, port = self._place.hostname or "", self._place.port or (443 if self._tls else 80)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, self._connection = await loop.create_connection(
                    _Connection, host, port, ssl=self._tls
                )
        return self._connection


class _Connection(asyncio.Protocol):
    """A connection on which one question is asked at a time."""

    _transport: asyncio.Transport | None = None
    _parser: httptools.HttpResponseParser
    _answer: "asyncio.Future[tuple[int, str]] | None" = None
    _said = b""

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be asked."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, head: bytes, body: bytes) -> tuple[int, str]:
        """Return the status, and what begins the body, of the answer; raises OSError."""
        if self._transport is None:
            raise ConnectionError("the connection is over")
        self._parser, self._said = httptools.HttpResponseParser(self), b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines([head, body])
        return await self._answer

    def leave(self) -> None:
        """End the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.leave()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._answer.set_exception(error)

    def on_body(self, body: bytes) -> None:
        self._said = (self._said + body)[:_TOLD]

    def on_message_complete(self) -> None:
        status, answer = self._parser.get_status_code(), self._answer
        if status < 200 or answer is None or answer.done():  # below 200 more is to come
            return
        if not self._parser.should_keep_alive():
            self.leave()
        answer.set_result((status, self._said.decode(errors="replace")))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the connection was closed"))
