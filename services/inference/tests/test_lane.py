"""Both lanes, the same bytes sent to each: whatever one answers, the other answers."""

import asyncio
import json
import re
import socket
import time

import pytest
import uvloop
from fastapi import FastAPI
from prometheus_client import generate_latest

from inference.envelope import Envelope
from inference.events import Event
from inference.lane import Lane
from inference.lane_protocol import lane_protocol
from inference.load import LoadedVersion
from inference.metrics import Metrics
from inference.plain import RECOGNISERS, Blind
from inference.ports import Clock
from inference.predict import Desk, Serving
from inference.reception import Reception
from inference.routes import install_prediction_routes
from inference.score import ScoringQueue
from inference.settings import InferenceSettings
from servicekit.problems import install_problem_pages
from servicekit.process import Health, Listener, _config, _Server
from textmodels.artifacts import load_artifact

SECONDS = 20
MINTED = "0" * 32


class Inline:
    """A real predictor that says it is cheap, and remembers how often it was asked."""

    def __init__(self, predictor, inline):
        self.labels, self.family = predictor.labels, predictor.family
        self.inline, self.asked, self.fault = inline, 0, None
        self._predictor = predictor

    def predict(self, texts):
        self.asked += 1
        if self.fault:
            raise self.fault
        return self._predictor.predict(texts)

    def answer(self, texts):
        self.asked += 1
        if self.fault:
            raise self.fault
        return self._predictor.answer(texts)


class Server:
    """One listener as in production, with the fast lane or with the app alone."""

    def __init__(self, artifact, *, fast, recogniser=RECOGNISERS[0]):
        self.settings = InferenceSettings(
            model="sentiment",
            artifact=str(artifact),
            slices=("domain",),
            body_limit_bytes=2_000,
            text_limit_characters=300,
            texts_limit=3,
        )
        manifest, predictor = load_artifact(artifact)
        self.predictor = Inline(predictor, inline=fast)
        self.version = LoadedVersion(manifest, self.predictor)
        self.metrics, self.health, self.events = Metrics(150), Health(), []
        self.serving = Serving(reporter=self)
        desk = Desk(self.serving, self.metrics, Clock(lambda: 1_000.0, time.perf_counter))
        api = FastAPI()
        install_problem_pages(api)
        reception = Reception(desk, self.metrics, self.settings)
        install_prediction_routes(api, reception, self.settings)
        app = Envelope(api, manifest.digest, lambda: MINTED)
        lane = Lane(desk, self.settings, self.health, lambda: MINTED, recogniser)
        http = lane_protocol(lane) if fast else "httptools"
        self._config = _config(Listener(app, "127.0.0.1", 0, http=http), self.health, 5)

    def report(self, event):
        self.events.append(event)

    def report_answers(self, request_id, seconds, texts, answers):
        self.report(Event(request_id, 1_000.0, "ok", seconds * 1000, {}, texts, answers))

    async def __aenter__(self):
        observe = self.metrics.queue_seconds.observe
        self.serving.queue = ScoringQueue(self.predictor, 64, time.perf_counter, observe)
        self.serving.version = self.version
        self.serving.inline = self.predictor if self.predictor.inline else None
        opened = socket.create_server(("127.0.0.1", 0))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)  # so that it is soon full
        self.port = opened.getsockname()[1]
        self.server = _Server(self._config)
        self._task = asyncio.create_task(self.server.serve([opened]))
        return self

    async def __aexit__(self, *_):
        self.server.should_exit = True
        await self._task
        await self.serving.queue.close()

    async def settled(self):
        """Wait until every request that came in is counted."""
        while self.metrics.in_flight.value:  # noqa: ASYNC110 - a number tells nobody
            await asyncio.sleep(0.001)

    async def speak(self, *packets, half_close=False, answers=1):
        """Send the packets one by one; return what comes back until the answers are there."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        hearing = asyncio.create_task(hear(reader, answers))
        for packet in packets:
            if hearing.done():  # some answers come early, and end the connection
                break
            writer.write(packet)
            await asyncio.sleep(0.002 if len(packets) > 1 else 0)
        if half_close:
            writer.write_eof()
        said = await hearing
        writer.close()
        return said

    @property
    def connections(self):
        return list(self.server.server_state.connections)

    def counted(self):
        """Return every series but those that hold or count times, or the queue's."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return [
            line
            for line in lines
            if line.startswith("isogloss_")
            and not re.search("_seconds_(sum|bucket)|queue_|slow_", line)
        ]

    def reported(self):
        return [
            (e.request_id, e.outcome, dict(e.slices), list(e.texts), e.answers) for e in self.events
        ]


async def hear(reader, answers):
    said = b""
    async with asyncio.timeout(SECONDS):
        while len(complete(said)) < answers and (more := await reader.read(65_536)):
            said += more
    return said


def complete(said):
    """Split bytes into whole answers: (head without the date, body)."""
    answers = []
    while b"\r\n\r\n" in said:
        head, rest = said.split(b"\r\n\r\n", 1)
        length = re.search(rb"content-length: (\d+)", head)
        size = int(length.group(1)) if length else 0
        if len(rest) < size:
            break
        answers.append((re.sub(rb"date: [^\r]+", b"date: now", head), rest[:size]))
        said = rest[size:]
    return answers


def request(body, path="/predict", method="POST", length=None, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"host": "inference", "content-length": len(body) if length is None else length}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}\r\n" for name, value in named.items() if value != ""]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body


def chunked(body, path="/predict"):
    head = f"POST {path} HTTP/1.1\r\nhost: i\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    half = len(body) // 2
    pieces = [body[:half], body[half:], b""]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


V1, V2 = "/v1/models/sentiment:predict", "/v2/models/sentiment/infer"
GOOD = request({"text": "a good film"})


MORE = {"name": "text-more"}
BINARY_LABEL = {"name": "label", "parameters": {"binary_data": True}}


def tensor(*texts, **more):
    data = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
    return {"inputs": [data | more.pop("tensor", {})]} | more


# What one packet of bytes asks, and how many answers it has.
CORPUS = {
    "predict": (GOOD, 1),
    "v1": (request({"instances": ["good", {"text": "bad"}]}, V1), 1),
    "v2": (request(tensor("good", "bad", id="42", parameters={"domain": "books"}), V2), 1),
    "v2 one output": (request(tensor("good", outputs=[{"name": "label"}]), V2), 1),
    "v2 two inputs": (
        request({"inputs": tensor("good")["inputs"] + tensor("bad", tensor=MORE)["inputs"]}, V2),
        1,
    ),
    "v2 in a column": (
        request(tensor("good", tensor={"shape": [1, 1], "data": [["good"]]}), V2),
        1,
    ),
    "v2 binary tensor": (
        request(tensor("good", tensor={"parameters": {"binary_data_size": 8}}), V2),
        1,
    ),
    "v2 binary output": (
        request(
            tensor("good", outputs=[{"name": "label", "parameters": {"binary_data": True}}]), V2
        ),
        1,
    ),
    "v2 binary extension": (
        request(tensor("good"), V2, inference_header_content_length=88),
        1,
    ),
    "v2 of a version": (
        request(tensor("good"), "/v2/models/sentiment/versions/sha256:0/infer"),
        1,
    ),
    "compressed, it says": (request({"text": "good"}, content_encoding="gzip"), 1),
    "identity, it says": (request({"text": "good"}, content_encoding="identity"), 1),
    "explain": (request({"instances": ["good"]}, "/v1/models/sentiment:explain"), 1),
    "unicode": (request({"text": "ein schöner Film 🎬 \u202e\x00"}), 1),
    "utf-8 unescaped": (request('{"text": "schön 好 🎬"}'.encode()), 1),
    "duplicate keys": (request(b'{"text": "bad", "text": "good"}'), 1),
    "unknown members": (request(b'{"text": "good", "more": [1, {"a": NaN}]}'), 1),
    "ids": (request({"text": "good"}, x_request_id="r-1", x_client_request_id="c-1"), 1),
    "client id first": (request({"text": "good"}, x_client_request_id="c", x_request_id="r"), 1),
    "ids that are not plain": (request({"text": "good"}, x_request_id="a b"), 1),
    "slices": (request({"text": "good"}, x_slice_domain="films"), 1),
    "a slice that is not plain": (request({"text": "good"}, x_slice_domain="{films}"), 1),
    "upper case header names": (GOOD.replace(b"content-length", b"CONTENT-LENGTH"), 1),
    "header given twice": (GOOD.replace(b"host", b"x-request-id: a\r\nx-request-id: b\r\nhost"), 1),
    "connection close": (request({"text": "good"}, connection="close"), 1),
    "http 1.0": (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"), 1),
    "http 1.0 keep alive": (
        request({"text": "good"}, connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
        1,
    ),
    "upgrade": (request({"text": "good"}, connection="upgrade", upgrade="h2c"), 1),
    "query": (request({"text": "good"}, "/predict?a=b"), 1),
    "absolute path": (request({"text": "good"}, "http://inference/predict"), 1),
    "escaped path": (request({"text": "good"}, "/%70redict"), 1),
    "trailing slash": (request({"text": "good"}, "/predict/"), 1),
    "unknown path": (request({"text": "good"}, "/nowhere"), 1),
    "unknown model": (request({"instances": ["good"]}, "/v1/models/other:predict"), 1),
    "unknown model v2": (request(tensor("good"), "/v2/models/other/infer"), 1),
    "get": (request(b"", method="GET", length=""), 1),
    "put": (request({"text": "good"}, method="PUT"), 1),
    "get with a body": (request({"text": "good"}, method="GET"), 1),
    "no length": (request(b"", length=""), 1),
    "empty body": (request(b""), 1),
    "not json": (request(b"{"), 1),
    "utf-16": (request('{"text": "good"}'.encode("utf-16")), 1),
    "not utf-8": (request(b'{"text": "\xff"}'), 1),
    "lone surrogate": (request(b'{"text": "\\ud800"}'), 1),
    "deep": (request(b"[" * 1_500), 1),
    "no object": (request([]), 1),
    "no text": (request({}), 1),
    "number": (request({"text": 5}), 1),
    "empty text": (request({"text": ""}), 1),
    "blank text": (request({"text": " \u2003\n"}), 1),
    "long text": (request({"text": "x" * 301}), 1),
    "text at the limit": (request({"text": "x" * 300}), 1),
    "body too large": (request({"text": "x" * 2_001}), 1),
    "too many texts": (request({"instances": ["good"] * 4}, V1), 1),
    "no texts": (request({"instances": []}, V1), 1),
    "an empty text among others": (request({"instances": ["good", ""]}, V1), 1),
    "wrong tensor": (request(tensor("good", tensor={"datatype": "FP32"}), V2), 1),
    "wrong shape": (request(tensor("good", tensor={"shape": [2]}), V2), 1),
    "chunked": (chunked(b'{"text": "a good film"}'), 1),
    "chunked and not json": (chunked(b"{{"), 1),
    "chunked and too large": (chunked(b"x" * 2_001), 1),
    "length and chunked": (request(b"0\r\n\r\n", transfer_encoding="chunked"), 1),
    "length that is no number": (request(b"", length="many"), 1),
    "length that is negative": (request(b"", length="-1"), 1),
    "length beyond counting": (request(b"", length="9" * 30), 1),
    "two lengths": (GOOD.replace(b"host", b"content-length: 5\r\nhost"), 1),
    "expect": (request({"text": "good"}, expect="100-continue"), 2),
    "expect something else": (request({"text": "good"}, expect="wonders"), 1),
    "no http": (b"good morning\r\n\r\n", 1),
    "no such version": (GOOD.replace(b"HTTP/1.1", b"HTTP/9.1"), 1),
    "three in a row": (GOOD + request({"text": ""}) + GOOD, 3),
    "ten in a row": (GOOD * 10, 10),
    "the app's, then the lane's": (chunked(b'{"text": "good"}') + GOOD + GOOD, 3),
    "the lane's, then the app's": (GOOD + request(b"", "/nowhere", "GET") + GOOD, 3),
    "behind a last one": (request({"text": "good"}, connection="close") + GOOD * 2, 1),
    "keep-alive, it says": (request({"text": "good"}, connection="Keep-Alive") * 2, 2),
    "the same length twice": (GOOD.replace(b"host", b"content-length: 23\r\nhost"), 1),
    "a folded header": (GOOD.replace(b"inference\r\n", b"inference\r\n more\r\n"), 1),
    "a space before a colon": (GOOD.replace(b"content-length:", b"content-length :"), 1),
    "no space behind a colon": (GOOD.replace(b"host: ", b"host:"), 1),
    "lines that end in a line feed": (GOOD.replace(b"\r\n", b"\n"), 1),
    "an empty header": (GOOD.replace(b"inference", b""), 1),
    "a header that ends in a space": (GOOD.replace(b"inference", b"inference "), 1),
    "a null in a header": (GOOD.replace(b"inference", b"in\x00ference"), 1),
    "a header beyond ascii": (GOOD.replace(b"inference", "schön".encode()), 1),
    "a name beyond ascii": (GOOD.replace(b"host", "h\u00f6st".encode()), 1),
    "a line behind the length": (b"\r\n" + GOOD, 1),
    "a fault between two": (GOOD + request(b"{") + GOOD, 3),
    "the app's behind a last one": (
        request({"text": "good"}, connection="close") + chunked(b'{"text": "good"}'),
        1,
    ),
}


def on_both(artifact, acts, recogniser=RECOGNISERS[0]):
    """Let `acts` play on a server with each lane; return both servers and what was returned."""

    async def run(*, fast):
        async with Server(artifact, fast=fast, recogniser=recogniser) as server:
            said = await acts(server)
            await server.settled()
            return server, said

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return [runner.run(run(fast=fast)) for fast in (True, False)]


def require_same(lanes):
    (fast, said_by_fast), (slow, said_by_slow) = lanes
    assert said_by_fast == said_by_slow
    assert fast.counted() == slow.counted()
    assert fast.reported() == slow.reported()


def cut(sent, pieces):
    size = -(-len(sent) // pieces)
    return [sent[at : at + size] for at in range(0, len(sent), size)]


@pytest.mark.parametrize(
    ("pieces", "recogniser"), [(1, RECOGNISERS[0]), (1, Blind), (2, RECOGNISERS[0]), (5, Blind)]
)
def test_both_lanes_answer_count_and_report_the_same(artifact, pieces, recogniser):
    async def acts(server):
        return {
            name: complete(await server.speak(*cut(sent, pieces), answers=answers))
            for name, (sent, answers) in CORPUS.items()
        }

    lanes = on_both(artifact, acts, recogniser)

    require_same(lanes)
    said = lanes[0][1]
    assert {name: len(answers) for name, answers in said.items()} == {
        name: answers for name, (_, answers) in CORPUS.items()
    }


def test_a_request_that_comes_byte_by_byte_is_answered_the_same(artifact):
    async def acts(server):
        return complete(await server.speak(*cut(GOOD, len(GOOD))))

    require_same(on_both(artifact, acts))


def test_the_fast_lane_is_really_used_and_leaves_the_queue_alone(artifact):
    async def acts(server):
        await server.speak(GOOD * 3, answers=3)
        return server.metrics.queue_seconds.count

    (_, waited_in_fast), (_, waited_in_slow) = on_both(artifact, acts)

    assert (waited_in_fast, waited_in_slow) == (0, 3)


def test_a_connection_is_kept_for_the_next_request(artifact):
    async def acts(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        said = []
        for sent in (GOOD, chunked(b'{"text": "bad"}'), GOOD, request(b"{"), GOOD):
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(re.search(rb"length: (\d+)", head).group(1)))
            said += complete(head + body)
        writer.close()
        return said

    require_same(on_both(artifact, acts))


def test_what_comes_after_an_upgrade_is_answered_the_same(artifact):
    async def acts(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        said = b""
        for sent in (request(b"", "/nowhere", connection="upgrade", upgrade="h2c"), GOOD):
            writer.write(sent)
            said += await reader.read(65_536)
        writer.close()
        return complete(said)

    require_same(on_both(artifact, acts))


def test_a_request_and_a_half_in_a_packet_are_answered_the_same(artifact):
    async def acts(server):
        return [
            complete(await server.speak(GOOD + GOOD[:cut], GOOD[cut:], answers=2))
            for cut in (1, 20, len(GOOD) - 1)
        ]

    require_same(on_both(artifact, acts))


def test_a_connection_of_plain_requests_ends_only_when_none_came_for_long(artifact):
    async def acts(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GOOD)
        assert await reader.read(65_536)
        (connection,) = server.connections
        first = connection.timeout_keep_alive_task
        connection.timeout_keep_alive_handler()  # as if the first request's time were up
        again = connection.timeout_keep_alive_task
        kept = not connection.transport.is_closing() and again.when() >= first.when()
        connection.timeout_keep_alive = 0
        connection.timeout_keep_alive_handler()
        writer.close()
        again.cancel()
        return kept, connection.transport.is_closing()

    (_, (kept, ended)), _ = on_both(artifact, acts)

    assert kept
    assert ended


def test_a_body_that_ends_early_is_not_answered_and_counts_once(artifact):
    async def acts(server):
        said = await server.speak(GOOD[:-5], half_close=True)
        while not server.events:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.001)
        return said

    lanes = on_both(artifact, acts)

    require_same(lanes)
    assert lanes[0][1] == b""
    assert [outcome for _, outcome, *_ in lanes[0][0].reported()] == ["rejected"]


def test_a_caller_that_closes_its_half_at_once_counts_once_in_both_lanes(artifact):
    async def acts(server):
        said = await server.speak(GOOD, half_close=True)
        while not server.events:  # noqa: ASYNC110 - a list tells nobody
            await asyncio.sleep(0.001)
        return complete(said)

    lanes = on_both(artifact, acts)

    for server, said in lanes:
        assert [head.split(b"\r\n")[0] for head, _ in said] in ([], [b"HTTP/1.1 200 OK"])
        assert len(server.events) == 1


def test_nonsense_behind_a_request_does_not_take_its_answer_in_the_fast_lane(artifact):
    async def acts(server):
        return complete(await server.speak(GOOD + b"\x00 nonsense\r\n\r\n", answers=2))

    (_, said), (_, said_by_app) = on_both(artifact, acts)

    assert [head[:12] for head, _ in said] == [b"HTTP/1.1 200", b"HTTP/1.1 400"]
    assert [head[:12] for head, _ in said_by_app] == [b"HTTP/1.1 400"]


def test_while_draining_every_answer_ends_its_connection(artifact):
    async def acts(server):
        server.health.drain()
        return complete(await server.speak(GOOD * 2, answers=2))

    lanes = on_both(artifact, acts)

    require_same(lanes)
    ((head, _),) = lanes[0][1]
    assert head.endswith(b"connection: close")


def test_before_the_version_is_loaded_both_lanes_refuse(artifact):
    async def acts(server):
        server.serving.inline = server.serving.version = None
        queue, server.serving.queue = server.serving.queue, None
        said = complete(await server.speak(GOOD))
        server.serving.queue = queue
        return said

    lanes = on_both(artifact, acts)

    require_same(lanes)
    assert lanes[0][1][0][0].startswith(b"HTTP/1.1 503 ")


def test_a_fault_of_the_predictor_is_one_500_in_both_lanes(artifact):
    async def acts(server):
        server.predictor.fault = RuntimeError("Ada's secret text")
        return complete(await server.speak(GOOD))

    lanes = on_both(artifact, acts)

    require_same(lanes)
    assert lanes[0][1][0][0].startswith(b"HTTP/1.1 500 ")
    assert [outcome for _, outcome, *_ in lanes[0][0].reported()] == ["error"]


def test_a_request_under_way_when_the_server_stops_is_answered(artifact):
    async def acts(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GOOD[:-5])
        await writer.drain()
        while not any(connection.headers for connection in server.connections):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        server.server.should_exit = True
        while server.server.servers[0].is_serving():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        writer.write(GOOD[-5:])
        said = await reader.read()
        writer.close()
        return complete(said)

    lanes = on_both(artifact, acts)

    require_same(lanes)
    assert lanes[0][1][0][0].startswith(b"HTTP/1.1 200 ")


def test_a_caller_that_reads_nothing_is_not_answered_without_bound(artifact):
    asked = 2_000

    async def acts():
        async with Server(artifact, fast=True) as server:
            caller = socket.create_connection(("127.0.0.1", server.port))
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
            reader, writer = await asyncio.open_connection(sock=caller, limit=8_192)
            writer.write(GOOD * asked)
            while not any(each.flow.write_paused for each in server.connections):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            held = max(each.transport.get_write_buffer_size() for each in server.connections)
            said = b""
            while said.count(b'"scores"') < asked:
                said += await reader.read(1_000_000)
            await server.settled()
            writer.close()
            return server, held

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server, held = runner.run(acts())

    assert held < 100_000
    assert server.metrics.texts.value == asked
