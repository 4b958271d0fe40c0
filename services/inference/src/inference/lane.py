"""The fast lane: predictions answered on the event loop, where the predictor is `inline`.

Only answers of 200 are made here. Whatever is unlike that, every error included, goes to the app
as if nothing had been here, so the app alone knows what to say; the conformance suite compares the
two byte by byte. How requests reach the lane is `lane_protocol`'s to say.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from inference.dialects import (
    PREDICT,
    V1,
    V2,
    Dialect,
    Reader,
    decode_predict,
    encode_json,
)
from inference.envelope import CLIENT_REQUEST_ID, REQUEST_ID, SLICE_HEADER, name_request
from inference.plain import NEEDS_THE_APP, RECOGNISERS, Recogniser, Tell, begin_telling
from inference.predict import Desk, Exchange, NotReady
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
    b"%bcontent-length: %d\r\ncontent-type: application/json\r\n"
    b"x-model-version: %b\r\nx-request-id: %b\r\n%b\r\n%b"
)
Headers = Sequence[tuple[bytes, bytes]]
Told = tuple[bytes | None, int]


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
        self._longest = settings.text_limit_characters
        self._limit = min(settings.body_limit_bytes, _BODY_LIMIT_BYTES)
        self._default_headers: Headers | None = None
        self._opening = b""
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
        self._recogniser = recogniser(self._dialects, kept, refused, head, self._limit)
        self._tell: Tell | None = None

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

    def answer_at(self, packet: bytes, start: int, default: Headers) -> Told | None:
        """Answer the plain request at a place of a packet, and say where it ends; None: it is none.

        The answer is None where it is left, uncounted, to the app.
        """
        try:
            tell = self._tell or self._begin_telling()
            told = tell(packet, start, self._opening_of(default))
        except Exception:  # noqa: BLE001 - as in `answer`
            _log.warning("a fault in the fast lane", exc_info=True)
            return None, start
        if told is not None:
            return told
        found = self._recogniser.recognise(packet, start)
        if found is None:
            return None
        position, headers, body, end = found
        dialect = self._by_position[position]
        return self.answer(Taken(dialect, headers, self.steady(), body), default), end

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
            self._opening_of(default),
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

    def _opening_of(self, default: Headers) -> bytes:
        """Return the status and uvicorn's own headers, which it makes anew each second."""
        if default is not self._default_headers:
            lines = b"".join([b"%b: %b\r\n" % header for header in default])
            self._default_headers, self._opening = default, b"HTTP/1.1 200 OK\r\n" + lines
        return self._opening

    def _begin_telling(self) -> Tell:
        """Have one text's predictions answered in C, now that there is a version."""
        predictor, version = self._desk.inline, self._desk.version
        if predictor is None:
            raise NotReady
        report, cells, places, edges = self._desk.telling("predict")
        self._tell = begin_telling(
            self._recogniser,
            decode_predict,
            predictor.answer,
            encode_json,
            report,
            self._new_id,
            self.steady,
            version.manifest.labels,
            version.digest.encode(),
            self._longest,
            cells,
            places,
            edges,
        )
        return self._tell


def _header(headers: Mapping[bytes, bytes], name: str) -> str | None:
    value = headers.get(name.encode())
    return None if value is None else value.decode("latin-1")
