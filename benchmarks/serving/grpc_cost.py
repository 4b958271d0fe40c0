"""What a call over gRPC costs our server, beside the same over REST: the price of compatibility.

The client is Python, which limits how many calls it makes, not what each costs the server.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from bars import Bar, Report
from loads import Asked, load, write_bodies
from machine import cpu_seconds
from own_server import isogloss
from run import Run
from servers import Dialect, Server, free_port, running
from subject import write_tfidf

from inference.oip_grpc.messages import SERVICE, make_messages

_CALLS = 8
_V2 = Dialect(
    "/v2/models/sentiment/infer",
    lambda texts: {
        "inputs": [
            {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts)}
        ]
    },
    lambda answer: [answer["outputs"][1]["data"][-1]],
)


def measure_grpc(report: Report, run: Run) -> list[Bar]:
    """Ask one server for the same, over REST and then over gRPC."""
    subject, port = write_tfidf(run.home), free_port()
    server = _with_grpc(isogloss(subject.family, None), port)
    asked = Asked(_CALLS, 1, run.seconds)
    with running(server, run.home, run.cores.server) as live, TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        write_bodies(live, subject.texts, asked, bodies)
        rest = load(live, bodies, asked, run.cores.load).cpu_us
        over_grpc = asyncio.run(_load_grpc(port, live.pid, subject.texts, run.seconds))
    what = "the Open Inference Protocol, one text of 64 words, {}: CPU us a request"
    return [
        report.shown("rest-cpu", what.format("REST"), rest),
        report.shown("grpc-cpu", what.format("gRPC"), over_grpc),
        report.shown("grpc-over-rest", "the same, gRPC over REST", over_grpc / rest),
    ]


def _with_grpc(server: Server, port: int) -> Server:
    more = {"ISOGLOSS_INFERENCE_GRPC_PORT": str(port)}
    return replace(server, dialect=_V2, settings={**server.settings, **more})


async def _load_grpc(port: int, pid: int, texts: Sequence[str], seconds: int) -> float:
    """Keep some calls under way at once; return the server's CPU microseconds a call."""
    messages = make_messages()
    requests = [_request(messages, text) for text in texts]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=None,
            response_deserializer=messages["ModelInferResponse"].FromString,
        )
        await call(requests[0])
        before, end = cpu_seconds(pid), time.monotonic() + seconds
        counts = await asyncio.gather(*(_ask(call, requests, end) for _ in range(_CALLS)))
        return (cpu_seconds(pid) - before) / sum(counts) * 1e6


def _request(messages: Any, text: str) -> bytes:
    message = messages["ModelInferRequest"](model_name="sentiment")
    tensor = message.inputs.add(name="text", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(text.encode())
    return bytes(message.SerializeToString())


async def _ask(call: Any, requests: Sequence[bytes], end: float) -> int:
    count = 0
    while time.monotonic() < end:
        await call(requests[count % len(requests)])
        count += 1
    return count
