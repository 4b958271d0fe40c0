"""What a request costs before anything is done: `python null.py PORT`, the same bytes to all."""

import asyncio
import signal
import sys

import uvloop

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"score": 0.5}'


class Null(asyncio.Protocol):
    """One connection, on which every packet is a request."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, _data):
        self.transport.write(ANSWER)


async def serve(port):
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    async with await loop.create_server(Null, "127.0.0.1", port):
        await stopped.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
