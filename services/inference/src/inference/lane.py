"""The fast lane: predictions answered inside uvicorn's HTTP protocol, on the event loop.

It takes a plain request to a predictor that is `inline`, and only an answer of 200 is written
here. Whatever is unlike that, every error included, goes to the app as if nothing had been
here, so the app alone knows what to say; the conformance suite compares the two byte by byte.
These are uvicorn's internals: its version is pinned.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.dialects import NOT_PLAIN_JSON, PREDICT, V1, V2, Reader
from inference.envelope import REQUEST_ID, SLICE_HEADER, name_request
from inference.predict import Desk, Exchange
from inference.schemas import Labelled
from inference.settings import InferenceSettings
from servicekit.problems import Problem
from servicekit.process import Health

_log = logging.getLogger(__name__)
# What a few milliseconds can score: more would keep every other connection waiting.
_BODY_LIMIT_BYTES = 65_536
_CLOSING = b"connection: close\r\n"
_HEAD = b"content-length: %d\r\ncontent-type: application/json\r\nx-model-version: %b\r\n%b"
_NEEDS_THE_APP = frozenset((b"expect", b"transfer-encoding", b"upgrade", *NOT_PLAIN_JSON))


@dataclass(slots=True)
class _Taken:
    """A request on its way in that may be answered here."""

    url: bytes
    headers: dict[bytes, bytes]
    started: float
    body: bytearray = field(default_factory=bytearray)


class Lane:
    """What all connections of one process share."""

    def __init__(
        self, desk: Desk, settings: InferenceSettings, health: Health, new_id: Callable[[], str]
    ) -> None:
        self.health = health
        self.steady = desk.steady
        self._desk = desk
        self._model = settings.model
        self._reader = Reader(settings)
        self._new_id = new_id
        self._limit = min(settings.body_limit_bytes, _BODY_LIMIT_BYTES)
        self._default_headers: Sequence[tuple[bytes, bytes]] = ()
        self._default_lines = b""
        name = settings.model.encode()
        self._dialects = {
            b"/predict": PREDICT,
            b"/v1/models/%b:predict" % name: V1,
            b"/v2/models/%b/infer" % name: V2,
        }

    def protocol(self) -> type[HttpToolsProtocol]:
        """Return the protocol of this lane's connections, for uvicorn."""
        return type("LaneProtocol", (_LaneProtocol,), {"lane": self})

    def takes(self, url: bytes, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a POST may be answered here, before its body is read."""
        length = headers.get(b"content-length", b"")
        return (
            self._desk.inline is not None
            and url in self._dialects
            and length.isdigit()
            and int(length) <= self._limit
            and _NEEDS_THE_APP.isdisjoint(headers)
        )

    def answer(self, taken: _Taken) -> tuple[bytes, bytes] | None:
        """Score and count a request; return the headers that are the answer's own, and its body.

        None: it is left, uncounted, to the app.
        """
        try:
            return self._answer(taken)
        except Problem:
            return None
        except Exception:  # noqa: BLE001 - the app meets the same fault, and answers for it
            _log.warning("a fault in the fast lane", exc_info=True)
            return None

    def _answer(self, taken: _Taken) -> tuple[bytes, bytes] | None:
        dialect, headers = self._dialects[taken.url], taken.headers
        predictor = self._desk.inline
        if predictor is None:
            return None
        asked = self._reader.read(taken.body, dialect)
        answers = predictor.answer(asked.texts)
        version = self._desk.version
        labelled = Labelled(self._model, version.digest, version.manifest.labels, answers)
        body = dialect.encode(asked, labelled)
        ids = name_request(headers, self._new_id)
        slices = self._reader.slices(lambda key: _header(headers, SLICE_HEADER + key))
        slices |= self._reader.slices(asked.parameters.get)
        request_id = ids[REQUEST_ID].decode()
        started = taken.started
        exchange = Exchange(dialect.route, request_id, slices, started, asked.texts, answers)
        self._desk.settle(exchange, "ok")
        return _HEAD % (len(body), version.digest.encode(), _lines(ids.items())), body

    def default_lines(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return uvicorn's own headers, which it makes anew each second, as lines."""
        if headers is not self._default_headers:
            self._default_headers, self._default_lines = headers, _lines(headers)
        return self._default_lines


class _LaneProtocol(HttpToolsProtocol):
    """One connection: uvicorn's, but that it looks at each request before the app does."""

    lane: Lane
    _taken: _Taken | None = None
    _ended = False
    """The last answer is written: what came behind it is taken and dropped."""

    def on_headers_complete(self) -> None:
        self._taken = self._take()
        if self._taken is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._taken is None:
            super().on_body(body)
        else:
            self._taken.body += body

    def on_message_complete(self) -> None:
        if self._taken is None:
            super().on_message_complete()
        elif not self._ended:
            self._answer(self._taken)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave_to_app()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._leave_to_app()
        super().shutdown()

    def _take(self) -> _Taken | None:
        headers = dict(self.headers)
        if self._ended or (
            self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and len(headers) == len(self.headers)  # none is given twice
            and (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and self.lane.takes(self.url, headers)
        ):
            return _Taken(self.url, headers, self.lane.steady())
        return None

    def _answer(self, taken: _Taken) -> None:
        answer = self.lane.answer(taken)
        if answer is None:
            self._leave_to_app()
            super().on_message_complete()
            return
        self._taken = None
        self._ended = self.lane.health.draining or not self.parser.should_keep_alive()
        default = self.lane.default_lines(self.server_state.default_headers)
        closing = _CLOSING if self._ended else b""
        head, body = answer
        self.transport.write(b"HTTP/1.1 200 OK\r\n%b%b%b\r\n%b" % (default, head, closing, body))
        if self._ended:
            self.transport.close()
        self.on_response_complete()

    def _leave_to_app(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None and not self._ended:
            super().on_headers_complete()
            super().on_body(bytes(taken.body))


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _header(headers: dict[bytes, bytes], name: str) -> str | None:
    value = headers.get(name.encode())
    return None if value is None else value.decode("latin-1")
