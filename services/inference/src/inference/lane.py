"""The fast lane: predictions answered on the event loop, where the predictor is `inline`.

Only answers of 200 are made here. Whatever is unlike that, every error included, goes to the app
as if nothing had been here, so the app alone knows what to say; the conformance suite compares the
two byte by byte. How requests reach the lane is `lane_protocol`'s to say.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from inference.dialects import PREDICT, V1, V2, Dialect, Reader
from inference.envelope import CLIENT_REQUEST_ID, REQUEST_ID, SLICE_HEADER, name_request
from inference.plain import NEEDS_THE_APP, RECOGNISERS, Plain, Recogniser
from inference.predict import Desk, Exchange
from inference.schemas import Labelled
from inference.settings import InferenceSettings
from servicekit.problems import Problem
from servicekit.process import Health

_log = logging.getLogger(__name__)
# What a few milliseconds can score: more would keep every other connection waiting.
_BODY_LIMIT_BYTES = 65_536
_CALLERS = b"x-client-request-id: %b\r\n"
_CLOSING = b"connection: close\r\n"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\ncontent-type: application/json\r\n"
    b"x-model-version: %b\r\nx-request-id: %b\r\n%b\r\n%b"
)
Headers = Sequence[tuple[bytes, bytes]]


class Taken(msgspec.Struct, gc=False):
    """A request that may be answered here."""

    dialect: Dialect
    headers: dict[bytes, bytes]
    started: float
    body: bytes | bytearray = msgspec.field(default_factory=bytearray)


class Lane:
    """What all connections of one process share."""

    def __init__(
        self,
        desk: Desk,
        settings: InferenceSettings,
        health: Health,
        new_id: Callable[[], str],
        recogniser: Callable[..., Recogniser] = RECOGNISERS[0],
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
        self._by_position = tuple(self._dialects.values())
        slices = [(SLICE_HEADER + key).encode() for key in settings.slices]
        kept = (REQUEST_ID, CLIENT_REQUEST_ID, *slices)
        refused = (b"proxy-connection", *NEEDS_THE_APP)
        head = settings.head_limit_bytes
        self.recognise = recogniser(self._dialects, kept, refused, head, self._limit).recognise

    @property
    def open(self) -> bool:
        """Whether anything is answered here now, and its connection goes on."""
        return self._desk.inline is not None and not self.health.draining

    def take(self, url: bytes, headers: dict[bytes, bytes]) -> Taken | None:
        """Return a POST that may be answered here, before its body is read."""
        length = headers.get(b"content-length", b"")
        if (
            self._desk.inline is not None
            and url in self._dialects
            and length.isdigit()
            and int(length) <= self._limit
            and NEEDS_THE_APP.isdisjoint(headers)
        ):
            return Taken(self._dialects[url], headers, self.steady())
        return None

    def answer_plain(self, found: Plain, default: Headers) -> bytes | None:
        """Answer a request that was found in a packet, as `answer` does."""
        position, headers, body, _ = found
        return self.answer(
            Taken(self._by_position[position], headers, self.steady(), body), default
        )

    def answer(self, taken: Taken, default: Headers, *, last: bool = False) -> bytes | None:
        """Score and count a request; return its answer, with uvicorn's `default` headers.

        None: it is left, uncounted, to the app.
        """
        try:
            return self._answer(taken, default, last=last)
        except Problem:
            return None
        except Exception:  # noqa: BLE001 - the app meets the same fault, and answers for it
            _log.warning("a fault in the fast lane", exc_info=True)
            return None

    def _answer(self, taken: Taken, default: Headers, *, last: bool) -> bytes | None:
        dialect, predictor = taken.dialect, self._desk.inline
        if predictor is None:
            return None
        asked = self._reader.read(taken.body, dialect)
        answers = predictor.answer(asked.texts)
        version = self._desk.version
        labelled = Labelled(self._model, version.digest, version.manifest.labels, answers)
        body = dialect.encode(asked, labelled)
        names = name_request(taken.headers, self._new_id)
        exchange = Exchange(
            dialect.route,
            names.request_id.decode(),
            self._slices(taken.headers, asked.parameters) if self._reader.takes_slices else {},
            taken.started,
            asked.texts,
            answers,
        )
        self._desk.settle(exchange, "ok")
        more = b"" if names.client_request_id is None else _CALLERS % names.client_request_id
        return _ANSWER % (
            self._lines_of(default),
            len(body),
            version.digest.encode(),
            names.request_id,
            more + _CLOSING if last else more,
            body,
        )

    def _slices(
        self, headers: Mapping[bytes, bytes], parameters: Mapping[str, Any]
    ) -> dict[str, str]:
        slices = self._reader.slices(lambda key: _header(headers, SLICE_HEADER + key))
        return slices | self._reader.slices(parameters.get)

    def _lines_of(self, default: Headers) -> bytes:
        """Return uvicorn's own headers, which it makes anew each second, as lines."""
        if default is not self._default_headers:
            self._default_headers, self._default_lines = default, _lines(default)
        return self._default_lines


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _header(headers: Mapping[bytes, bytes], name: str) -> str | None:
    value = headers.get(name.encode())
    return None if value is None else value.decode("latin-1")
