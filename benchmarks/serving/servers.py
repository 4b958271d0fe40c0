"""A server that is measured: how it is started, asked and ended."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil
from environments import OWN, python_of
from machine import tree

_START_SECONDS = 300
_END_SECONDS = 15
# One thread each, however many cores the machine has: a server has one core.
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
# Some machines set these for libraries older than ours; they slow a current numpy.
_UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Dialect:
    """How texts are asked about, and where the answer has the score of each text's last label."""

    path: str
    body: Callable[[Sequence[str]], Any]
    scores: Callable[[Any], list[float]]


@dataclass(frozen=True)
class Server:
    """One server. In its arguments and settings, {port} and {models} are filled in."""

    name: str
    family: str
    """Rows of one family are one peer in several settings: the best of them counts."""
    arguments: Sequence[str]
    dialect: Dialect
    environment: str = OWN
    settings: Mapping[str, str] = field(default_factory=dict)
    many: Dialect | None = None
    """How it is asked about many texts at once, where it is."""
    is_a_model: bool = True
    """False: it answers the same to everyone."""

    def dialect_for(self, texts: int) -> Dialect:
        """Return how it is asked about so many texts in one request."""
        return self.many if texts > 1 and self.many else self.dialect


@dataclass(frozen=True)
class Live:
    """A server that runs."""

    server: Server
    port: int
    pid: int

    def ask(self, texts: Sequence[str]) -> list[float]:
        """Return the scores of texts asked in one request."""
        dialect = self.server.dialect
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, 60)) as caller:
            body, kind = json.dumps(dialect.body(texts)), {"content-type": "application/json"}
            caller.request("POST", dialect.path, body, kind)
            answer = caller.getresponse()
            said = answer.read()
        if answer.status != 200:
            raise ConnectionError(f"{self.server.name}: {answer.status} {said[:300]!r}")
        return dialect.scores(json.loads(said))


@contextlib.contextmanager
def running(server: Server, models: Path, core: int) -> Iterator[Live]:
    """Start a server on a core, wait until it answers, and end it with all its processes."""
    with tempfile.TemporaryFile() as log, starting(server, models, core, log) as live:
        _wait_until_it_answers(live, log)
        yield live


@contextlib.contextmanager
def starting(server: Server, models: Path, core: int, log: IO[bytes] | int) -> Iterator[Live]:
    """Start a server on a core and end it with all its processes; it may not be ready yet."""
    filled = {"port": str(free_port()), "models": str(models), "other_port": str(free_port())}
    arguments = [each.format(**filled) for each in server.arguments]
    settings = {name: value.format(**filled) for name, value in server.settings.items()}
    with tempfile.TemporaryDirectory() as scratch:
        pinned = ["taskset", "-c", str(core), str(python_of(server.environment))]
        process = subprocess.Popen(
            [*pinned, *arguments],
            cwd=Path(__file__).parent / "peers",
            env=_environment() | {"TMPDIR": scratch, "BENTOML_HOME": scratch} | settings,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Live(server, int(filled["port"]), process.pid)
        finally:
            _end(process)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | dict.fromkeys(_ONE_THREAD, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def _wait_until_it_answers(live: Live, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            live.ask(["a great and fine story"])
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline or not _lives(live.pid):
                log.seek(0)
                said = log.read().decode(errors="replace")[-3000:]
                raise RuntimeError(
                    f"{live.server.name} does not serve ({error}):\n{said}"
                ) from error
            time.sleep(0.1)
        else:
            return


def _lives(pid: int) -> bool:
    processes = tree(pid)
    return bool(processes) and processes[0].status() != psutil.STATUS_ZOMBIE


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask all to end as a terminal would ask the first, then insist."""
    everyone = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    for left in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    process.wait()
