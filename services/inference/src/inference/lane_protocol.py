"""How requests reach the fast lane: inside uvicorn's HTTP protocol, before the app.

Whole, plain requests in a packet are found in C and never parsed (`plain`); one that comes in
pieces, or in another form, is taken from uvicorn's parser, or left to it. What the lane does not
answer goes on as if nothing had been here. These are uvicorn's internals: its version is pinned.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.dialects import PREDICT
from inference.lane import Lane, Taken


def lane_protocol(lane: Lane) -> type[HttpToolsProtocol]:
    """Return the protocol of a lane's connections, for uvicorn."""
    return type("LaneProtocol", (_LaneProtocol,), {"lane": lane})


class _LaneProtocol(HttpToolsProtocol):
    """One connection: uvicorn's, but that it looks at each request before the app does."""

    lane: Lane
    _between = True
    """The parser has no part of a request."""
    _taken: Taken | None = None
    _left = False
    """The next request was looked at, and is the app's."""
    _ended = False
    """The last answer is written: what came behind it is taken and dropped."""
    _answered = 0.0
    """When the last plain request was."""

    def data_received(self, data: bytes) -> None:
        looks = self._between and not self._left and self.lane.open
        at = self._answer_plain(data) if looks else 0
        if not at:
            super().data_received(data)
        elif at < len(data):
            self.data_received(data[at:])  # from the start: limits are to see no more than the rest

    def on_message_begin(self) -> None:
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._taken = None if self._left else self._take()
        self._left = False
        if self._taken is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._taken is None:
            super().on_body(body)
        else:
            self._taken.body += body

    def on_message_complete(self) -> None:
        self._between = not self.parser.should_upgrade()
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

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless plain requests came since the timer was set."""
        rest = self._answered + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self._wait_for_next(rest)
        else:
            super().timeout_keep_alive_handler()

    def _answer_plain(self, data: bytes) -> int:
        """Answer the plain requests that a packet begins with; return where they end."""
        at, default = 0, self.server_state.default_headers
        while at < len(data) and self._free:
            told = self.lane.answer_at(data, at, default)
            if told is None:
                break
            answer, end = told
            if answer is None:
                self._left = True
                break
            self.transport.write(answer)
            self.server_state.total_requests += 1
            at = end
        if at:
            self._answered = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._wait_for_next(self.timeout_keep_alive)
        return at

    def _wait_for_next(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    @property
    def _free(self) -> bool:
        """Whether an answer can be given now: none is under way, the caller takes them."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def _take(self) -> Taken | None:
        headers = dict(self.headers)
        if self._ended:
            return Taken(PREDICT, headers, 0.0)
        if (
            self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and len(headers) == len(self.headers)  # none is given twice
            and self._free
        ):
            return self.lane.take(self.url, headers)
        return None

    def _answer(self, taken: Taken) -> None:
        last = self.lane.health.draining or not self.parser.should_keep_alive()
        answer = self.lane.answer(taken, self.server_state.default_headers, last=last)
        if answer is None:
            self._leave_to_app()
            super().on_message_complete()
            return
        self._taken, self._ended = None, last
        self.transport.write(answer)
        if last:
            self.transport.close()
        self.on_response_complete()

    def _leave_to_app(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None and not self._ended:
            super().on_headers_complete()
            super().on_body(bytes(taken.body))
