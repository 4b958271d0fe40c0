"""Which core does what, and what a tree of processes has used: CPU by schedstat, memory.

Linux only: cores are pinned with taskset, schedstat counts in nanoseconds what a thread ran.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Cores:
    """One core serves and times the in-process loops, another makes the load."""

    server: int
    load: int


def choose_cores() -> Cores:
    """Return the first and the last core this process may use, and move it to the latter."""
    if sys.platform != "linux" or not (shutil.which("taskset") and shutil.which("wrk")):
        raise SystemExit(
            "this benchmark needs Linux, taskset and wrk (Debian: apt-get install wrk)"
        )
    server, *_, load = sorted(os.sched_getaffinity(0)) * 2
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("this benchmark needs two cores: one for the server, one for the load")
    os.sched_setaffinity(0, {load})
    return Cores(server, load)


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a tree of processes."""
    return sum(_cpu_nanoseconds(process.pid) for process in tree(pid)) / 1e9


def memory_mb(pid: int) -> float:
    """Return the resident memory of the largest process of a tree."""
    return max(process.memory_info().rss for process in tree(pid)) / 1e6


def _cpu_nanoseconds(pid: int) -> int:
    spent = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            spent += int(thread.read_text().split()[0])
        except OSError:
            continue  # the thread has ended since it was listed
    return spent
