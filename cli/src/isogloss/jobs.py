"""The training jobs as processes: what is asked of them, and what came of it.

A job is a recorded process like any other, so that Ctrl-C or a crash leaves nothing behind that
`isogloss down` does not find.
"""

import json
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isogloss.adapters.processes import Processes, ProcessRecord, pause
from isogloss.addresses import remembered_addresses
from isogloss.failures import Misused, Refused, Unreachable
from isogloss.homes import Home

_LOOK_EVERY_SECONDS = 0.1
_UNREACHABLE, _USAGE = 3, 2


@dataclass(frozen=True)
class Job:
    """A job that was started; `result` is the file that its standard output goes to."""

    name: str
    record: ProcessRecord
    result: Path
    home: Home

    def stop(self) -> None:
        """End it, if it still runs, and forget it."""
        Processes(self.home).stop(self.name)


@dataclass(frozen=True)
class Ending:
    """How a job ended: its exit code, its result if there is one, the last line it said, and
    where to read more.
    """

    code: int
    result: Any | None
    last_word: str
    more: str


def start_job(home: Home, arguments: Sequence[str], *, niceness: int = 0) -> Job:
    """Start `python -m training_jobs ARGUMENTS`; needs no platform by itself."""
    home.create()
    addresses = remembered_addresses(home)
    environment = {
        "ISOGLOSS_TRAINING_JOBS_HOME": str(home.root.resolve()),
        "ISOGLOSS_TRAINING_JOBS_TRACKING_URI": addresses.url("registry-proxy"),
        "ISOGLOSS_TRAINING_JOBS_REGISTRY_URL": addresses.url("registry-proxy"),
        "ISOGLOSS_TRAINING_JOBS_MONITOR_URL": addresses.url("drift-monitor"),
    }
    # Two jobs of one kind may run at once, so each gets a name of its own.
    name = f"job-{arguments[0]}-{secrets.token_hex(3)}"
    result = home.root / "logs" / f"{name}.result"
    command = [sys.executable, "-m", "training_jobs", *arguments]
    record = Processes(home).start(name, command, environment, niceness=niceness, result=result)
    return Job(name, record, result, home)


def await_job(job: Job, tell: Callable[[str], None], *, may_fail: bool = False) -> Any:
    """Pass on a job's progress line by line until it ends, and conclude it."""
    try:
        code = _follow(job, tell)
    finally:
        job.stop()
    last = Path(job.record.log).read_text(errors="replace").strip().rpartition("\n")[2]
    ending = Ending(code, _last_line(job.result), last, f"its log is {job.record.log}")
    return conclude(ending, may_fail=may_fail)


def conclude(ending: Ending, *, may_fail: bool = False) -> Any:
    """Return the result of a job that has ended.

    Raises Refused, Misused or Unreachable as its exit code says. With `may_fail` a job that ends
    with a result and exit code 1 (a failed check) returns it.
    """
    if ending.code == 0 or (may_fail and ending.code == 1 and ending.result is not None):
        return ending.result
    failure = {_UNREACHABLE: Unreachable, _USAGE: Misused}.get(ending.code, Refused)
    raise failure(f"{ending.last_word or 'the job ended without a word'} ({ending.more})")


def run_job(
    home: Home, arguments: Sequence[str], tell: Callable[[str], None], *, may_fail: bool = False
) -> Any:
    """Start a job and await it."""
    return await_job(start_job(home, arguments), tell, may_fail=may_fail)


def _follow(job: Job, tell: Callable[[str], None]) -> int:
    running = Processes(job.home)
    with Path(job.record.log).open(errors="replace") as log:
        while True:
            code = running.exit_status(job.record)
            for line in log:
                tell(line.rstrip())
            if code is not None:
                return code
            pause(_LOOK_EVERY_SECONDS)


def _last_line(path: Path) -> Any | None:
    line = path.read_text().strip().rpartition("\n")[2]
    try:
        return json.loads(line)
    except ValueError:
        return None
