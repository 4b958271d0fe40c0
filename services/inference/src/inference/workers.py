"""Keeps several processes alive that serve one version, each forked from a parent that loaded it.

Each has a socket of its own on the one port (SO_REUSEPORT), opened by the parent: while a worker
that died is replaced, its connections wait in its socket's queue. The parent answers nothing; the
pages (health, metrics) are one more process, there from the start. What a process serves is not
here.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from inference.board import Board
from inference.load import LoadedVersion
from inference.metrics import Cells

_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Place:
    """What a worker has of its parent."""

    version: LoadedVersion | None
    """None: it loads the version itself, since the engine's threads would not survive a fork."""
    cells: Cells
    mark_ready: Callable[[], None]
    lifeline: int
    """A descriptor that can be read when the parent has ended."""


@dataclass
class Supervisor:
    """The parent: forks, replaces and ends its children."""

    board: Board
    workers: int
    _pipe: tuple[int, int] = field(default_factory=os.pipe)
    _worker_of: dict[int, int] = field(default_factory=dict)
    _pages: int = 0
    _stopping: bool = False

    @property
    def lifeline(self) -> int:
        """The end of a pipe that children read; the other is the parent's alone."""
        return self._pipe[0]

    def serve_pages(self, serve: Callable[[], None]) -> None:
        """Start the process of the pages."""
        self._pages = self._fork(serve)

    def run(self, serve: Callable[[int], None]) -> int:
        """Keep the workers alive until a signal, and return the status to end with.

        A worker that dies is replaced. One that was never ready ends all, since another would fare
        no better, and so does the process of the pages.
        """
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        for worker in range(self.workers):
            self._start(worker, serve)
        failures = 0
        while self._worker_of:
            pid, status = os.wait()
            if pid == self._pages:
                self._pages, failures = 0, failures + 1
                self._end_all("the process of the pages ended")
                continue
            worker = self._worker_of.pop(pid)
            if self._stopping:
                failures += status != 0
            elif self.board.is_ready(worker):
                _log.error("worker %d (process %d) ended: another takes its place", worker, pid)
                self._start(worker, serve)
            else:
                failures += 1
                self._end_all(f"worker {worker} ended before it was ready")
        self._end_pages()
        return 1 if failures else 0

    def _start(self, worker: int, serve: Callable[[int], None]) -> None:
        self.board.leave(worker)
        self._fork(lambda: serve(worker), worker)

    def _fork(self, serve: Callable[[], None], worker: int | None = None) -> int:
        """Fork while no signal comes, so that each child is either told of it or not yet there."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        stopping = self._stopping
        pid = os.fork()
        if pid == 0:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os.close(self._pipe[1])
            _serve_and_end(serve)
        if worker is not None:
            self._worker_of[pid] = worker
        if stopping:
            os.kill(pid, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return pid

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        told = [*self._worker_of]
        if not self._stopping and self._pages:
            told.append(self._pages)  # /readyz says so at once, and is answered until the end
        self._stopping = True
        for pid in told:
            os.kill(pid, number)

    def _end_all(self, why: str) -> None:
        _log.error("%s: all others are ended", why)
        self._stop(signal.SIGTERM, None)

    def _end_pages(self) -> None:
        if self._pages:
            os.kill(self._pages, signal.SIGTERM)
            os.kill(
                self._pages, signal.SIGINT
            )  # not another SIGTERM: two of a kind may come as one
            os.waitpid(self._pages, 0)


def _serve_and_end(serve: Callable[[], None]) -> NoReturn:
    """Serve, and end this process without going back into what the parent was doing."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        serve()
        status = 0
    except SystemExit as leaving:
        if isinstance(leaving.code, int):
            status = leaving.code
        else:
            sys.stderr.write(f"{leaving.code}\n")
    except BaseException:  # noqa: BLE001 - the edge of a process that never returns
        _log.exception("a process failed")
    finally:
        sys.stderr.flush()
        os._exit(status)
