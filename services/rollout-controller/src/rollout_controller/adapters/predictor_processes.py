"""One detached process: started in a session of its own, known by pid and start time.

A pid alone is not enough: after a crash the system may have given it to a stranger, and a
stranger is never signalled. `isogloss down` reads and ends processes by the same files.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from rollout_controller.adapters.files import read_json, write_json

# The kernel's boot time, which start times count from, may be corrected by a second or so.
_SAME_START_SECONDS = 2.0


class NotStarted(Exception):
    """The system refused to start the process; the text says why."""


@dataclass(frozen=True)
class ProcessRecord:
    """What stands in `run/<process>.json`; `started` is seconds since the epoch."""

    pid: int
    started: float
    command: Sequence[str]
    log: str


def start(command: Sequence[str], settings: Mapping[str, str], log: Path) -> ProcessRecord:
    """Start a process whose output is appended to `log`; raises NotStarted.

    Its environment is this one without our own settings, and with `settings`.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ISOGLOSS_")}
    # One thread of linear algebra a process: more only wait for each other's cores.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), write, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    environment = {**inherited, **threads, **settings}
    try:
        pid = os.posix_spawn(
            command[0], list(command), environment, file_actions=actions, setsid=True, setsigmask=()
        )
        return ProcessRecord(pid, psutil.Process(pid).create_time(), list(command), str(log))
    except (OSError, psutil.NoSuchProcess) as error:
        raise NotStarted(f"{command[0]} cannot be started: {error}") from error


def is_running(record: ProcessRecord) -> bool:
    """Tell whether this very process runs; one that ended as our child is laid to rest."""
    with suppress(ChildProcessError):
        os.waitpid(record.pid, os.WNOHANG)
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < _SAME_START_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(record: ProcessRecord, *, at_once: bool) -> None:
    """Ask the process to end, or end it at once; nothing happens to a stranger."""
    if is_running(record):
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGKILL if at_once else signal.SIGTERM)


def find_orphan(command: Sequence[str], settings: Mapping[str, str]) -> tuple[int, float] | None:
    """Find a process started with this command and settings whose record was never written."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline() == list(command) and process.status() != psutil.STATUS_ZOMBIE:
                environment = process.environ()
                if settings.items() <= environment.items():
                    return process.pid, process.create_time()
    return None


def save_record(path: Path, record: ProcessRecord) -> None:
    """Write a record down."""
    write_json(path, asdict(record))


def load_record(path: Path) -> ProcessRecord | None:
    """Return the record in a file, None where there is none."""
    document = read_json(path)
    try:
        return ProcessRecord(**document) if document else None
    except TypeError:
        return None
