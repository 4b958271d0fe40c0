"""Real processes of this service, callers that keep asking, and a balancer in front of several."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

DEADLINE_SECONDS = 120


class Process:
    def __init__(self, **settings):
        names = {f"ISOGLOSS_INFERENCE_{name.upper()}": str(v) for name, v in settings.items()}
        command = [sys.executable, "-m", "inference"]
        self.process = subprocess.Popen(
            command, env=os.environ | names, stderr=subprocess.PIPE, text=True
        )
        self.port = self.metrics_port = None

    def wait_for_ports(self):
        ports = []
        while len(ports) < 2:
            line = self.process.stderr.readline()
            assert line, "the process ended"
            ports += [int(port) for port in re.findall(r'"address": \["127.0.0.1", (\d+)\]', line)]
        self.port, self.metrics_port = ports
        threading.Thread(target=self.process.stderr.read).start()

    def wait_until_ready(self):
        self.wait_for_ports()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.ask("GET", "/readyz", port=self.metrics_port)[0] != 200:
            assert time.monotonic() < deadline
            assert self.process.poll() is None

    def ask(self, method, path, body=None, port=None):
        address = ("127.0.0.1", port or self.port, DEADLINE_SECONDS)
        with contextlib.closing(http.client.HTTPConnection(*address)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def predict(self, text):
        status, body = self.ask("POST", "/predict", json.dumps({"text": text}))
        return status, json.loads(body)

    def memory(self):
        """Return the resident megabytes, and the most there were."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
        return int(kilobytes["VmRSS"]) / 1024, int(kilobytes["VmHWM"]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)

    def end(self):
        self.process.kill()
        self.process.communicate()


class Caller(threading.Thread):
    """Sends requests on one connection, reopened when the server asks for it, until told."""

    def __init__(self, port, told):
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, DEADLINE_SECONDS)
        self._told = told
        self.outcomes = []

    def run(self):
        body = json.dumps({"text": "a good film"})
        with contextlib.closing(self._connection) as connection:
            while not self._told.is_set():
                try:
                    connection.request("POST", "/predict", body)
                    answer = connection.getresponse()
                    answer.read()
                    self.outcomes.append(answer.status)
                except (OSError, http.client.HTTPException) as error:
                    self.outcomes.append(repr(error))


class Balancer:
    """One port before several processes: a new connection goes to the next that says it is ready.

    It looks at /readyz as a router does, now and then; connections that are open stay where they
    are.
    """

    _LOOK_SECONDS = 0.02

    def __init__(self):
        self.processes = []
        self._ready, self._turn, self._pipes = [], 0, set()

    @contextlib.contextmanager
    def running(self):
        loop = asyncio.new_event_loop()
        looking = loop.create_task(self._look())
        server = loop.run_until_complete(asyncio.start_server(self._join, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            server.close()
            looking.cancel()
            everything = asyncio.gather(looking, *self._pipes, return_exceptions=True)
            loop.run_until_complete(everything)
            loop.close()

    async def _look(self):
        while True:
            found = [p for p in self.processes if await self._is_ready(p)]
            self._ready = found
            await asyncio.sleep(self._LOOK_SECONDS)

    async def _is_ready(self, process):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", process.metrics_port)
        except OSError:
            return False
        with contextlib.closing(writer):  # also when it is told to stop looking
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: i\r\nconnection: close\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                return (await reader.read()).startswith(b"HTTP/1.1 200 ")
        return False

    async def _join(self, reader, writer):
        self._turn += 1
        process = self._ready[self._turn % len(self._ready)]
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", process.port)
        for one, other in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._pipe(one, other))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    async def _pipe(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65_536):
                writer.write(some)
        writer.close()
