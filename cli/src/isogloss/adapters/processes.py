"""Detached processes that outlive the command, known by a pid and start-time file each.

A pid alone is not enough: after a crash the system may have given it to a stranger, and a
stranger is never signalled. The rollout-controller writes the same files for its predictors.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from isogloss.failures import Refused
from isogloss.files import read_json, write_json
from isogloss.homes import Home

# The kernel's boot time, which start times count from, may be corrected by a second or so.
_SAME_START_SECONDS = 2.0
_GRACE_SECONDS = 15.0


@dataclass(frozen=True)
class ProcessRecord:
    """What stands in `run/<process>.json`; `started` is seconds since the epoch."""

    pid: int
    started: float
    command: Sequence[str]
    log: str


class Processes:
    """The recorded processes of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def start(
        self,
        name: str,
        command: Sequence[str],
        settings: Mapping[str, str],
        *,
        niceness: int = 0,
        result: Path | None = None,
    ) -> ProcessRecord:
        """Start a process in a session of its own and record it before Ctrl-C can come between.

        Its environment is this one without other ISOGLOSS_ settings. What it prints goes to its
        log, except standard output where `result` names a file for that.
        """
        log = self._home.log(name)
        with signals_held():
            pid = _spawn(command, _environment(settings), log, result)
            process = psutil.Process(pid)
            if niceness:
                _give_way(process, niceness)
            record = ProcessRecord(pid, process.create_time(), list(command), str(log))
            write_json(self._home.record(name), asdict(record))
        return record

    def names(self) -> list[str]:
        """Return every recorded process, running or not."""
        return sorted(path.stem for path in self._home.record("x").parent.glob("*.json"))

    def find(self, name: str) -> ProcessRecord | None:
        """Return the record of a process that still runs as the one that was recorded."""
        record = self._read(name)
        return record if record and _leader(record) else None

    def exit_status(self, record: ProcessRecord) -> int | None:
        """Return how a child of this very process ended; None while it runs."""
        try:
            pid, status = os.waitpid(record.pid, os.WNOHANG)
        except ChildProcessError:
            return None if _leader(record) else -1
        return os.waitstatus_to_exitcode(status) if pid else None

    def stop(self, name: str, grace_seconds: float = _GRACE_SECONDS) -> bool:
        """Stop a recorded process with all that it started, and forget it.

        Returns False where nothing of it ran any more.
        """
        record = self._read(name)
        found = _session(record) if record else []
        _end(found, grace_seconds)
        self._home.record(name).unlink(missing_ok=True)
        return bool(found)

    def last_lines(self, name: str, count: int = 12) -> str:
        """Return the end of a process's log, for the person who must find out why."""
        try:
            lines = self._home.log(name).read_text(errors="replace").splitlines()
        except OSError:
            return "(no log)"
        return "\n".join(f"  {line}" for line in lines[-count:]) or "  (the log is empty)"

    def _read(self, name: str) -> ProcessRecord | None:
        document = read_json(self._home.record(name))
        try:
            return ProcessRecord(**document) if document else None
        except TypeError:
            return None


def now() -> float:
    """Return the time in seconds since the epoch, UTC."""
    return time.time()


def steady() -> float:
    """Return seconds on a clock that nobody sets, for measuring how long something takes."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Wait between two looks at something that another process changes."""
    time.sleep(seconds)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let Ctrl-C wait while something is made and noted down that must be undone after it."""
    held = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ISOGLOSS_")}
    # One thread of linear algebra a process: they share the cores, and more only wait for each
    # other. A setting of the same name wins.
    defaults = {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**inherited, **defaults, **settings}


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], log: Path, result: Path | None
) -> int:
    create = os.O_WRONLY | os.O_CREAT
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(log), create | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 2, 1),
    ]
    if result:
        actions[2] = (os.POSIX_SPAWN_OPEN, 1, str(result), create | os.O_TRUNC, 0o600)
    try:
        return os.posix_spawn(
            command[0], list(command), environment, file_actions=actions, setsid=True, setsigmask=()
        )
    except OSError as error:
        raise Refused(
            f"{command[0]} cannot be started: {error.strerror}; its log would be {log}"
        ) from error


def _give_way(process: psutil.Process, niceness: int) -> None:
    process.nice(niceness)
    # Linux may share the processors among sessions first (sched_autogroup), and then a process's
    # own niceness counts within its session only. Where it does not, there is no such file.
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(niceness))


def _leader(record: ProcessRecord) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.started) < _SAME_START_SECONDS
        alive = process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same and alive else None


def _session(record: ProcessRecord) -> list[psutil.Process]:
    """Find the process and all of its session; also what a dead leader left behind."""
    leader = _leader(record)
    members = {process.pid: process for process in _members(record)}
    if leader:
        members[leader.pid] = leader
        members.update((child.pid, child) for child in leader.children(recursive=True))
    return list(members.values())


def _members(record: ProcessRecord) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            in_session = os.getsid(process.pid) == record.pid
            younger = process.create_time() > record.started - _SAME_START_SECONDS
            if in_session and younger and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue


def _end(processes: list[psutil.Process], grace_seconds: float) -> None:
    for signalled in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                process.send_signal(signalled)
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(processes, timeout=grace_seconds)
