"""A predictor that answers at once, or badly where its digest says so.

A digest that begins with `bad` fails a quarter of its answers, one with `5100` takes 0.4 s for
each, one with `3ec` takes 3 s; but only requests that came through a gateway. It counts them as
inference does, and ends as inference does: what has come is answered.
"""

import asyncio
import os
import re
import signal

_BUCKETS = (0.01, 0.05, 0.15, 0.5)
_SECONDS = {"5100": 0.4, "3ec0": 3.0}


class Predictor:
    """Counts and answers."""

    def __init__(self, digest):
        self.digest = digest
        code = digest.removeprefix("sha256:")
        self.seconds = next((s for head, s in _SECONDS.items() if code.startswith(head)), 0.0)
        self.fails_every = 4 if code.startswith("bad") else 0
        self.counts = {"ok": 0, "error": 0}
        self.within = dict.fromkeys(_BUCKETS, 0)
        self.in_flight = self.asked = 0

    async def answer(self, head):
        """Return (status, body, content type)."""
        from_users = b"\r\nx-request-id:" in head
        self.asked += from_users
        self.in_flight += 1
        try:
            await asyncio.sleep(self.seconds if from_users else 0)
        finally:
            self.in_flight -= 1
        if from_users and self.fails_every and self.asked % self.fails_every == 0:
            self.counts["error"] += 1
            return 500, b'{"title":"it fails on purpose"}', "application/problem+json"
        self.counts["ok"] += 1
        for edge in _BUCKETS:
            self.within[edge] += self.seconds <= edge
        return 200, b'{"prediction":"positive"}', "application/json"

    async def page(self, head):
        """Return what the second port says."""
        text = self._metrics() if b"get /metrics" in head else '{"status":"ready"}'
        return 200, text.encode(), "text/plain"

    def _metrics(self):
        name, ok = "isogloss_inference_request_seconds", self.counts["ok"]
        return "\n".join(
            [
                "# TYPE isogloss_inference_requests_total counter",
                *(
                    f'isogloss_inference_requests_total{{route="predict",outcome="{o}"}} {n}'
                    for o, n in self.counts.items()
                ),
                f"# TYPE {name} histogram",
                *(f'{name}_bucket{{le="{edge}"}} {n}' for edge, n in self.within.items()),
                f'{name}_bucket{{le="+Inf"}} {ok}',
                f"{name}_count {ok}",
                f"{name}_sum {self.seconds * ok}",
                "# TYPE isogloss_inference_in_flight gauge",
                f"isogloss_inference_in_flight {self.in_flight}",
                "",
            ]
        )


class Connections:
    """One port's connections; idle ones are closed at the end."""

    def __init__(self, answer, version):
        self._answer = answer
        self._version = version
        self._idle = set()
        self._tasks = set()
        self.ending = False

    async def serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while not self.ending:
                self._idle.add(writer)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                self._idle.discard(writer)
                length = re.search(rb"\r\ncontent-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                status, content, kind = await self._answer(head)
                told = (
                    f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n"
                    f"content-type: {kind}\r\nx-model-version: {self._version}\r\n\r\n"
                )
                writer.write(told.encode() + content)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._idle.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def end(self):
        self.ending = True
        for writer in list(self._idle):
            writer.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


async def main():
    """Serve until SIGTERM."""
    told = {name: os.environ[f"ISOGLOSS_INFERENCE_{name}"] for name in ("HOST", "ARTIFACT")}
    ports = [int(os.environ[f"ISOGLOSS_INFERENCE_{name}"]) for name in ("PORT", "METRICS_PORT")]
    digest = told["ARTIFACT"].partition("@")[2]
    predictor, ends = Predictor(digest), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ends.set)
    answers = (predictor.answer, predictor.page)
    connections = [Connections(answer, digest) for answer in answers]
    servers = [
        await asyncio.start_server(each.serve, told["HOST"], port)
        for each, port in zip(connections, ports, strict=True)
    ]
    await ends.wait()
    for server in servers:
        server.close()
    for each in connections:
        await each.end()


asyncio.run(main())
