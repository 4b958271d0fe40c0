"""What a connection may ask of this process before its request is understood.

Uvicorn reads heads of any size, waits for ever for the rest of a request and queues every request
that is sent ahead. Here each has a bound, and so has what all connections together hold. The bounds
lie around the protocol of either lane, so that both have the same. Limits on what has been
understood (texts, their length) are in `dialects`. These are uvicorn's internals: its version is
pinned.
"""

import asyncio
import json
from dataclasses import dataclass
from enum import Enum

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_SWEEP_SECONDS = 1.0  # at most: time limits are held to within a quarter of theirs, or this
# Nobody sends as much ahead but to fill memory: each of them is kept until its turn.
_AHEAD_LIMIT = 100
_MEBIBYTE = 1_048_576


@dataclass(frozen=True)
class ConnectionLimits:
    """How much one listener bears."""

    connections: int
    head_bytes: int
    """Of a request's first line and headers."""
    body_bytes: int
    arrival_seconds: float
    """From a request's first byte to its last; also for the first byte, and to take an answer."""
    held_bytes: int = 64 * _MEBIBYTE
    """Of all requests together that are not complete: many bodies, each allowed, sent slowly."""


@dataclass(frozen=True)
class _Refusal:
    status: int
    slug: str
    title: str
    detail: str


class _Stage(Enum):
    BETWEEN = 0
    HEAD = 1
    BODY = 2


def bounded(protocol: type[HttpToolsProtocol], limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """Return the protocol within limits, for the connections of one listener."""
    return type("BoundedProtocol", (_BoundedProtocol, protocol), {"watch": _Watch(limits)})


class _Watch:
    """The connections of one listener: how many, how much they hold, which are too slow."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.held = 0
        self._open: set[_BoundedProtocol] = set()
        self._pause = min(_SWEEP_SECONDS, limits.arrival_seconds / 4)
        self._next: asyncio.TimerHandle | None = None

    def admit(self, connection: "_BoundedProtocol") -> bool:
        """Take a connection, in the place of the one idle for longest when there are too many."""
        if len(self._open) >= self.limits.connections and not self._make_room():
            return False
        self._open.add(connection)
        if self._next is None:
            self._next = connection.loop.call_later(self._pause, self._sweep, connection.loop)
        return True

    def leave(self, connection: "_BoundedProtocol") -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)

    def _make_room(self) -> bool:
        idle = [each for each in self._open if each.idle]
        if not idle:
            return False
        longest = min(idle, key=lambda connection: connection.heard)
        longest.transport.close()
        self._open.discard(longest)
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._open):
            connection.require_progress(now)
        again = bool(self._open)
        self._next = loop.call_later(self._pause, self._sweep, loop) if again else None


class _BoundedProtocol(HttpToolsProtocol):
    """One connection within the limits; the protocol it bounds comes behind it."""

    watch: _Watch
    _stage = _Stage.BETWEEN
    _since: float | None = None
    """When what is waited for began to be waited for."""
    _held = 0
    """Bytes of the request that is not complete, of the reads before this one."""
    _read = 0
    """Bytes of this read that may belong to it."""
    _large = False
    """The head may be over its limit: only then is it measured."""
    _unread: tuple[float, int] | None = None
    """Since when so many bytes of answers wait for the caller to take some."""
    _refusal: _Refusal | None = None

    heard = 0.0
    """When something came last."""

    @property
    def idle(self) -> bool:
        """Whether this connection was answered, and waits for its next request."""
        return self._stage is _Stage.BETWEEN and self.timeout_keep_alive_task is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        if not self.watch.admit(self):
            self._end(_TOO_MANY)

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.leave(self)
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        self._read = len(data)
        self._large = self._held + self._read > self.watch.limits.head_bytes
        super().data_received(data)
        if self._stage is not _Stage.BETWEEN:
            self._hold()
        elif self._since is not None:
            self._release()

    def on_message_begin(self) -> None:
        self._stage = _Stage.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._large and self._head_size() > self.watch.limits.head_bytes:
            self._refuse_while_parsing(_HEAD_TOO_LARGE)
        if len(self.pipeline) >= _AHEAD_LIMIT:
            self._refuse_while_parsing(_TOO_MANY_AHEAD)
        self._stage = _Stage.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stage = _Stage.BETWEEN
        self._read = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser gave up, which may be for a reason of ours."""
        if self._refusal is None:
            super().send_400_response(msg)
        else:
            self._end(self._refusal)

    def require_progress(self, now: float) -> None:
        """End the connection if its caller sends or takes too slowly."""
        limit, size = self.watch.limits.arrival_seconds, self.transport.get_write_buffer_size()
        if not size:
            self._unread = None
        elif self._unread is None or self._unread[1] != size:
            self._unread = (now, size)
        elif now - self._unread[0] > limit:
            self.transport.abort()
        if self._since is not None and now - self._since > limit:
            self._end_late_request(now)

    def _end_late_request(self, now: float) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.flow.read_paused or (answering and self._stage is not _Stage.BODY):
            self._since = now  # it is we who let the caller wait
        elif self._stage is _Stage.BETWEEN or (answering and self.cycle.response_started):
            self.transport.close()
        else:
            self._end(_TOO_SLOW)

    def _hold(self) -> None:
        if not self._held:
            self._since = self.loop.time()
        limits = self.watch.limits
        self._held += self._read
        self.watch.held += self._read
        self._read = 0  # a lane that took the packet's first part may have counted the rest
        if self._stage is _Stage.HEAD and self._held > limits.head_bytes:
            self._end(_HEAD_TOO_LARGE)
        elif self._held > 2 * limits.body_bytes + limits.head_bytes:  # chunks have heads, too
            self._end(_BODY_TOO_LARGE)
        elif self.watch.held > limits.held_bytes:
            self._end(_TOO_MUCH_HELD)

    def _release(self) -> None:
        self.watch.held -= self._held
        self._held, self._since = 0, None

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_while_parsing(self, refusal: _Refusal) -> None:
        self._refusal = refusal
        raise ValueError(refusal.detail)  # the parser stops, and uvicorn asks for the answer

    def _end(self, refusal: _Refusal) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(_render(refusal))
        self.transport.close()


def _render(refusal: _Refusal) -> bytes:
    problem = {
        "type": f"urn:isogloss:problem:{refusal.slug}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
    }
    body = json.dumps(problem).encode()
    again = b"retry-after: 1\r\n" if refusal.status == 503 else b""
    return (
        b"%bcontent-type: application/problem+json\r\ncontent-length: %d\r\n%b"
        b"connection: close\r\n\r\n%b" % (STATUS_LINE[refusal.status], len(body), again, body)
    )


_TOO_MANY = _Refusal(503, "overloaded", "Overloaded", "Too many connections are open.")
_TOO_MUCH_HELD = _Refusal(
    503, "overloaded", "Overloaded", "Too many large requests arrive at once: send it again later."
)
_TOO_MANY_AHEAD = _Refusal(
    400,
    "too-many-requests-ahead",
    "Too many requests ahead",
    f"{_AHEAD_LIMIT} requests wait on this connection: await an answer before sending more.",
)
_HEAD_TOO_LARGE = _Refusal(
    431,
    "head-too-large",
    "Request Header Fields Too Large",
    "The first line and the headers are larger than is taken.",
)
_BODY_TOO_LARGE = _Refusal(
    413, "body-too-large", "Body too large", "The body is larger than is taken."
)
_TOO_SLOW = _Refusal(
    408, "too-slow", "Request Timeout", "The request did not arrive whole within the time allowed."
)
