"""Where events go while a server is measured: batches are taken, counted and looked into by none.

It runs on the load's core, in a thread: a drift-monitor is another process elsewhere.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Sink(asyncio.Protocol):
    """One connection on which batches come."""

    batches = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a batch."""
        self.transport, self.came = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every batch that is whole."""
        self.came += data
        while (size := _size_of(self.came)) and len(self.came) >= size:
            self.came = self.came[size:]
            Sink.batches += 1
            self.transport.write(_ANSWER)  # type: ignore[attr-defined]


@contextmanager
def taking_events() -> Iterator[int]:
    """Take events on a port, which is given, until the end."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Sink, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()


def _size_of(came: bytes) -> int:
    """Return how long the message is that begins here; 0 while its head is not whole."""
    head, _, _ = came.partition(b"\r\n\r\n")
    if len(head) == len(came):
        return 0
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(head) + 4 + int(lengths[0].partition(b":")[2])
