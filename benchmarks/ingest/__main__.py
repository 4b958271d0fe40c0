"""Measures how many prediction events a drift-monitor takes and counts on one core.

The service is the real process with its journal and SQLite, held to one core; the sender, on the
others, posts packed batches of 500 events over kept connections and waits where it is told to. An
event counts once it is in the tables. Rows are drawn at random: what they say costs nothing here.
Writes results/ingest.json and .md.
"""

import argparse
import os
import sys
import time
from importlib.metadata import version

import numpy as np
from bars import Bar, Report, tell
from sender import ROWS, Sender
from service import Service, registry, running

SLICES = 12


def run_through(service: Service, sender: Sender, batches: int, first: int) -> float:
    """Send batches, wait until all are counted; return the seconds."""
    target = service.counted() + batches * ROWS
    began = time.perf_counter()
    sender.send(batches, first)
    while service.counted() < target:
        time.sleep(0.02)
    return time.perf_counter() - began


def measure(report: Report, events: int) -> list[Bar]:
    """Measure one version's events, and memory over all of them."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {core})
    with registry(1) as (url, digests), running(url, core) as service:
        sender = Sender(service.port, digests, SLICES)
        run_through(service, sender, 40, 0)
        sent, rates, memory = 40, [], [service.memory()]
        piece = max(40, min(200, events // ROWS // 5))
        cpu = service.seconds_of_cpu()
        while sent * ROWS < events:
            rates.append(piece * ROWS / run_through(service, sender, piece, sent))
            sent += piece
            memory.append(service.memory())
            tell(f"{sent * ROWS:,} events: {rates[-1]:,.0f}/s, {memory[-1] / 2**20:.0f} MB")
        cpu = service.seconds_of_cpu() - cpu
    settled = memory[len(memory) // 5 :]
    growth = (max(settled[len(settled) // 2 :]) - max(settled[: len(settled) // 2])) / 2**20
    typical = float(np.median(rates))
    done = (sent - 40) * ROWS
    return [
        report.at_least("ingest.rate", "events/s, one core, batches of 500", 50_000, typical),
        report.shown("ingest.cpu", "CPU microseconds an event", 1e6 * cpu / done),
        report.shown("ingest.events", "events sent", done),
        report.at_most("ingest.growth", "MB that memory grew in the second half", 20, growth),
        report.shown("ingest.memory", "MB resident at the end", memory[-1] / 2**20),
    ]


def main() -> int:
    """Measure and write the results; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events are sent")
    arguments = parser.parse_args()
    versions = {name: version(name) for name in ("fastapi", "uvicorn", "numpy", "sqlalchemy")}
    report = Report("ingest", "make bench-ingest", versions, time.time())
    return 0 if report.write(measure(report, arguments.events)) else 1


if __name__ == "__main__":
    sys.exit(main())
