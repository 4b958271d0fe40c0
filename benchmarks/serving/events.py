"""What reporting every prediction costs: our server with events and without, in turn."""

import statistics
import tempfile
from pathlib import Path

from bars import Bar, Report
from loads import Asked, Load, load, write_bodies
from own_server import isogloss
from run import Run
from servers import Live, running
from sink import taking_events
from subject import write_tfidf

_ROUNDS = 5


def measure_events(report: Report, run: Run) -> list[Bar]:
    """Load one, then the other, several times; the idle one costs nothing."""
    subject = write_tfidf(run.home)
    cores = run.cores
    with taking_events() as sink, tempfile.TemporaryDirectory() as scratch:
        on, off = isogloss(subject.family, sink), isogloss(subject.family, None)
        asked, bodies = Asked(8, 1, run.seconds), Path(scratch) / "bodies"
        with (
            running(on, run.home, cores.server) as reporting,
            running(off, run.home, cores.server) as silent,
        ):
            write_bodies(silent, subject.texts, asked, bodies)

            def rounds(live: Live) -> Load:
                return load(live, bodies, asked, cores.load)

            pairs = [(rounds(reporting), rounds(silent)) for _ in range(_ROUNDS + 1)][1:]
    share = statistics.median(one.rate / other.rate for one, other in pairs)
    cost = statistics.median(one.cpu_us - other.cpu_us for one, other in pairs)
    what = "one text, 8 connections: requests/s with events / without"
    return [
        report.at_least("events", what, 0.9, share),
        report.shown("events-cpu", "CPU us a request that events cost", cost),
    ]
