"""From the start of the process until it is ready, and the memory it then takes."""

import http.client
import statistics
import subprocess
import time

from bars import Bar, Report
from machine import memory_mb
from own_server import isogloss
from run import Run
from servers import Live, starting
from subject import write_tfidf

_STARTS = 5
_PATIENCE_SECONDS = 30


def measure_start(report: Report, run: Run) -> list[Bar]:
    """Start our server a few times, as a pod does: nothing is loaded before."""
    subject = write_tfidf(run.home)
    server, seconds, memory = isogloss(subject.family, None), list[float](), list[float]()
    for _ in range(_STARTS):
        begun = time.perf_counter()
        with starting(server, run.home, run.cores.server, subprocess.DEVNULL) as live:
            _wait_until_ready(live)
            seconds.append(time.perf_counter() - begun)
            for text in subject.texts:
                live.ask([text])
            memory.append(memory_mb(live.pid))
    what = "from start to ready, TF-IDF artifact, {} of " + f"{_STARTS} starts: s"
    return [
        report.at_most("start", what.format("median"), 1.5, statistics.median(seconds)),
        report.shown("start-longest", what.format("longest"), max(seconds)),
        report.at_most("memory", "resident memory of the process: MB", 120, max(memory)),
    ]


def _wait_until_ready(live: Live) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _is_ready(live.port):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{live.server.name} was not ready in {_PATIENCE_SECONDS} s")
        time.sleep(0.01)


def _is_ready(port: int) -> bool:
    caller = http.client.HTTPConnection("127.0.0.1", port, 5)
    try:
        caller.request("GET", "/readyz")
        return caller.getresponse().status == 200
    except OSError:
        return False
    finally:
        caller.close()
