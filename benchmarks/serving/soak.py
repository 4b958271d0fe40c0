"""Full load for five minutes: does every request get its answer, and does memory stay flat?

Events are on. One text a request and 32 take turns, so that buffers of both sizes come and go.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bars import Bar, Report, tell
from loads import Asked, Load, load, write_bodies
from machine import memory_mb
from own_server import isogloss
from run import Run
from servers import Live, running
from sink import taking_events
from subject import Subject, write_tfidf

_SECONDS = 300
_TURN_SECONDS = 15
_CONNECTIONS = 8
# The turns before this one fill what is kept for good: queues, buffers, the allocator's arenas.
_SETTLED = 4


@dataclass(frozen=True)
class Turn:
    """Some seconds of load, and the memory that the server had at their end."""

    load: Load
    memory_mb: float


def measure_soak(report: Report, run: Run) -> list[Bar]:
    """Load our server without a pause and judge the whole time."""
    subject = write_tfidf(run.home)
    with (
        taking_events() as sink,
        running(isogloss(subject.family, sink), run.home, run.cores.server) as live,
    ):
        turns = _soak(live, subject, run.cores.load)
    singles = [turn.load for turn in turns if turn.load.texts == 1]
    memories = [turn.memory_mb for turn in turns]
    grown = memories[-1] - memories[_SETTLED]
    what = f"in {_SECONDS} s of full load, events on"
    return [
        report.at_most(
            "soak-failed", f"requests failed {what}", 0, sum(t.load.failed for t in turns)
        ),
        report.at_most("soak-growth", f"memory grown {what}, after the first minute: MB", 3, grown),
        report.shown("soak-memory", f"resident memory {what}, the most: MB", max(memories)),
        report.shown(
            "soak-rate",
            f"requests/s {what}, slowest turn of one text",
            min(each.rate for each in singles),
        ),
        report.shown(
            "soak-p99",
            f"p99 {what}, slowest turn of one text: ms",
            max(each.p99_ms for each in singles),
        ),
    ]


def _soak(live: Live, subject: Subject, core: int) -> list[Turn]:
    turns = list[Turn]()
    with TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        for texts in itertools.islice(itertools.cycle((1, 32)), _SECONDS // _TURN_SECONDS):
            asked = Asked(_CONNECTIONS, texts, _TURN_SECONDS)
            write_bodies(live, subject.texts, asked, bodies)
            turns.append(Turn(load(live, bodies, asked, core), memory_mb(live.pid)))
            told = turns[-1]
            tell(f"{texts} texts: {told.load.rate:.0f} requests/s, {told.memory_mb:.1f} MB")
    return turns
