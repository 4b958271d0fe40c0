"""What a hostile or slow connection is told, on real sockets, and what it can make us hold."""

import asyncio
import json
import re
import socket
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.connections import ConnectionLimits, bounded
from servicekit.process import Health, Listener, _config, _Server

SECONDS = 20
HEAD = b"POST /echo HTTP/1.1\r\nhost: inference\r\n"
WHOLE = HEAD + b"content-length: 4\r\n\r\ngood"


class Scene:
    """A listener around an app that tells a body's length when it is let."""

    def __init__(self, **limits):
        given = {"connections": 3, "head_bytes": 2_000, "body_bytes": 100_000}
        given |= {"arrival_seconds": SECONDS, "held_bytes": 1_000_000}
        self.http = bounded(HttpToolsProtocol, ConnectionLimits(**given | limits))
        self.watch = self.http.watch
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.begun, self.writers = 0, []

    async def echo(self, scope, receive, send):
        """An app that reads the whole body, and then says how long it was."""
        if scope["type"] != "http":
            return
        self.begun += 1
        length, message = 0, {"more_body": True}
        while message["more_body"]:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length += len(message["body"])
        await self.may_answer.wait()
        said = b"%d bytes" % length
        headers = [(b"content-length", b"%d" % len(said))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    @asynccontextmanager
    async def running(self):
        opened = socket.create_server(("127.0.0.1", 0))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)  # so that it is soon full
        self.port = opened.getsockname()[1]
        server = _Server(_config(Listener(self.echo, "127.0.0.1", 0, http=self.http), Health(), 1))
        server.config.lifespan = "off"
        task = asyncio.create_task(server.serve([opened]))
        try:
            yield self
        finally:
            self.may_answer.set()
            for writer in self.writers:
                writer.close()
            server.should_exit = True
            await task

    async def connect(self, **options):
        options = options or {"host": "127.0.0.1", "port": self.port}
        reader, writer = await asyncio.open_connection(**options)
        self.writers.append(writer)
        return reader, writer

    async def see(self, condition):
        async with asyncio.timeout(SECONDS):
            while not condition():  # noqa: ASYNC110 - a number tells nobody
                await asyncio.sleep(0.001)


def play(acts, **limits):
    async def run():
        async with Scene(**limits).running() as scene, asyncio.timeout(SECONDS):
            return await acts(scene)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def said_to(scene, *packets):
    """Send packets on a connection while it is open; return all it says until its end."""
    reader, writer = await scene.connect()
    hearing = asyncio.create_task(hear(reader))
    for packet in packets:
        if hearing.done():
            break
        writer.write(packet)
        await asyncio.sleep(0.005)
    return await hearing


async def hear(reader):
    said = b""
    with suppress(ConnectionError):  # of a server that leaves what still comes unread
        while more := await reader.read(65_536):
            said += more
    return said


async def answer_on(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head).group(1))
    return head, await reader.readexactly(length)


def is_problem(said, status, slug):
    head, body = said.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 %d " % status), said
    assert b"connection: close" in head
    return json.loads(body)["type"] == f"urn:isogloss:problem:{slug}"


LONG_HEADS = {
    "one header in one packet": [HEAD + b"x: " + b"y" * 3_000 + b"\r\n\r\n"],
    "many headers in one packet": [HEAD + b"x: y\r\n" * 500 + b"\r\n"],
    "a header that never ends": [HEAD + b"x: ", *[b"y" * 500] * 6],
    "headers that never end": [HEAD, *[b"x: y\r\n" * 100] * 6],
    "a path that never ends": [b"POST /", *[b"y" * 500] * 6],
    "behind a good one": [WHOLE + HEAD + b"x: " + b"y" * 3_000 + b"\r\n\r\n"],
}


@pytest.mark.parametrize("packets", LONG_HEADS.values(), ids=LONG_HEADS)
def test_a_head_over_its_limit_is_431_and_ends_the_connection(packets):
    said = play(lambda scene: said_to(scene, *packets))

    assert is_problem(said[said.rindex(b"HTTP/1.1 ") :], 431, "head-too-large")


def test_a_head_at_its_limit_is_taken_in_one_packet_and_in_many():
    head = HEAD + b"x: " + b"y" * 1_900 + b"\r\nconnection: close\r\n\r\n"

    async def acts(scene):
        return [await said_to(scene, head), await said_to(scene, head[:900], head[900:])]

    assert all(b"0 bytes" in said for said in play(acts))


SLOW = {
    "silent": [],
    "a head without an end": [HEAD],
    "a body without an end": [HEAD + b"content-length: 10\r\n\r\n", b"x"],
    "a chunk without an end": [HEAD + b"transfer-encoding: chunked\r\n\r\n", b"ff\r\nx"],
    "behind a good one": [WHOLE + HEAD],
}


@pytest.mark.parametrize("packets", SLOW.values(), ids=SLOW)
def test_a_request_that_does_not_arrive_in_time_is_408(packets):
    said = play(lambda scene: said_to(scene, *packets), arrival_seconds=0.2)

    if packets:
        assert is_problem(said[said.rindex(b"HTTP/1.1 ") :], 408, "too-slow")
    else:
        assert said == b""


def test_a_request_that_arrives_byte_by_byte_has_no_more_time():
    packets = [bytes([byte]) for byte in HEAD + b"x: " + b"y" * 1_000]
    said = play(lambda scene: said_to(scene, *packets), arrival_seconds=0.2)

    assert is_problem(said, 408, "too-slow")


def test_a_slow_answer_is_waited_for_and_a_kept_connection_stays():
    async def acts(scene):
        reader, writer = await scene.connect()
        writer.write(WHOLE)
        await answer_on(reader)
        scene.may_answer.clear()
        writer.write(WHOLE + HEAD)  # the next one begins before this one's answer
        await scene.see(lambda: scene.begun == 2)
        await asyncio.sleep(0.6)
        scene.may_answer.set()
        _, body = await answer_on(reader)
        writer.write(b"content-length: 2\r\n\r\nok")
        _, last = await answer_on(reader)
        await asyncio.sleep(0.6)
        writer.write(WHOLE)
        return body, last, await answer_on(reader)

    body, last, (_, kept) = play(acts, arrival_seconds=0.2)

    assert (body, last, kept) == (b"4 bytes", b"2 bytes", b"4 bytes")


def test_requests_sent_ahead_without_bound_end_the_connection():
    async def acts(scene):
        scene.may_answer.clear()
        reader, writer = await scene.connect()
        writer.write(WHOLE * 5_000)
        return await hear(reader), scene.begun

    said, begun = play(acts)

    assert is_problem(said, 400, "too-many-requests-ahead")
    assert begun == 1


def test_a_caller_that_takes_no_answers_is_left():
    async def acts(scene):
        caller = socket.create_connection(("127.0.0.1", scene.port))
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        _, writer = await scene.connect(sock=caller, limit=1_024)
        for _ in range(400):
            writer.write(WHOLE * 20)
            await asyncio.sleep(0)
            if not scene.watch._open:
                break
        await scene.see(lambda: not scene.watch._open)

    play(acts, arrival_seconds=0.2)


def test_a_connection_too_many_takes_the_place_of_the_one_idle_for_longest():
    async def acts(scene):
        idle = [await scene.connect() for _ in range(3)]
        for reader, writer in idle:
            writer.write(WHOLE)
            await answer_on(reader)
            await asyncio.sleep(0.01)  # the loop's clock ticks in milliseconds
        reader, writer = await scene.connect()
        writer.write(WHOLE)
        _, body = await answer_on(reader)
        first, *others = [reader for reader, _ in idle]
        assert await first.read() == b""
        for kept, (_, writer) in zip(others, idle[1:], strict=True):
            writer.write(WHOLE)
            await answer_on(kept)
        return body

    assert play(acts) == b"4 bytes"


def test_a_connection_too_many_is_503_when_none_is_idle():
    async def acts(scene):
        scene.may_answer.clear()
        busy = [await scene.connect() for _ in range(3)]
        for _, writer in busy:
            writer.write(WHOLE)
        await scene.see(lambda: scene.begun == 3)
        said = await said_to(scene)
        scene.may_answer.set()
        return said, [await answer_on(reader) for reader, _ in busy]

    said, answers = play(acts)

    assert is_problem(said, 503, "overloaded")
    assert [body for _, body in answers] == [b"4 bytes"] * 3


def test_large_bodies_that_arrive_slowly_are_bounded_together():
    part = HEAD + b"content-length: 90000\r\n\r\n" + b"x" * 80_000

    async def acts(scene):
        first = [await scene.connect() for _ in range(2)]
        for _, writer in first:
            writer.write(part)
        await scene.see(lambda: scene.watch.held >= 160_000)
        said = await said_to(scene, part)
        for _, writer in first:
            writer.write(b"x" * 10_000)
        answers = [await answer_on(reader) for reader, _ in first]
        await scene.see(lambda: scene.watch.held == 0)
        return said, [body for _, body in answers]

    said, bodies = play(acts, held_bytes=200_000)

    assert is_problem(said, 503, "overloaded")
    assert bodies == [b"90000 bytes"] * 2


def test_trailers_that_never_end_are_refused():
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n"
    said = play(lambda scene: said_to(scene, head, *[b"x: y\r\n" * 5_000] * 10))

    assert is_problem(said, 413, "body-too-large")
