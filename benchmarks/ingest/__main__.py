"""Measures how many prediction events a drift-monitor takes and counts on one core.

The service is the real process with its journal and SQLite, held to one core; the sender, on the
others, posts packed batches of 500 events over kept connections and waits where it is told to. An
event counts once it is in the tables. Rows are drawn at random: what they say costs nothing here.
Then ten versions' callers name a thousand Slices, which must not cost more than is stated. Writes
results/ingest.json and .md.
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
VERSIONS, MANY_SLICES = 10, 1000
WARM = 40
"""Batches before anything is measured."""
PACED, PACED_A_SECOND = 200, 20
"""Batches, and how many a second, whose answers are timed."""
MEGABYTE = 2**20


def run_through(service: Service, sender: Sender, batches: int, first: int) -> float:
    """Send batches, wait until all are counted; return the seconds."""
    target = service.counted() + batches * ROWS
    began = time.perf_counter()
    sender.send(batches, first)
    while service.counted() < target:
        time.sleep(0.02)
    return time.perf_counter() - began


def measure(report: Report, core: int, events: int) -> list[Bar]:
    """Measure one version's events, and memory over all of them."""
    with registry(1) as (url, digests), running(url, core) as service:
        sender = Sender(service.port, digests, SLICES)
        run_through(service, sender, WARM, 0)
        answered = sender.pace(PACED, WARM, PACED_A_SECOND)
        cpu = service.seconds_of_cpu()
        sent, rates, memory = send_all(service, sender, WARM + PACED, events)
        cpu = service.seconds_of_cpu() - cpu
    typical = float(np.median(rates))
    paced = f"{PACED_A_SECOND * ROWS:,} events/s"
    return [
        report.at_least("ingest.rate", "events/s, one core, batches of 500", 50_000, typical),
        report.shown("ingest.cpu", "CPU microseconds an event", 1e6 * cpu / sent),
        report.shown("ingest.events", "events sent", sent),
        report.at_most(
            "ingest.growth", "MB that memory grew in the second half", 20, growth(memory)
        ),
        report.shown("ingest.memory", "MB resident at the end", memory[-1] / MEGABYTE),
        report.at_most(
            "ingest.answer",
            f"ms until a batch is acknowledged, median, at {paced}",
            5,
            _ms(answered, 50),
        ),
        report.shown("ingest.answer-99", f"its 99th percentile, at {paced}", _ms(answered, 99)),
    ]


def measure_slices(report: Report, core: int, events: int) -> list[Bar]:
    """Measure ten versions whose callers name a thousand Slices."""
    with registry(VERSIONS) as (url, digests), running(url, core) as service:
        sender = Sender(service.port, digests, MANY_SLICES)
        run_through(service, sender, WARM, 0)
        sent, rates, memory = send_all(service, sender, WARM, events)
        kept = service.kept() / MEGABYTE
    what = f"{VERSIONS} versions, {MANY_SLICES:,} Slices named, {sent:,} events"
    return [
        report.shown("slices.rate", f"events/s: {what}", float(np.median(rates))),
        report.at_most(
            "slices.growth", f"MB that memory grew in the second half: {what}", 20, growth(memory)
        ),
        report.shown("slices.memory", f"MB resident at the end: {what}", memory[-1] / MEGABYTE),
        report.at_most(
            "slices.kept",
            f"MB of tables and journal, at most as stated: {what}",
            stated_megabytes(),
            kept,
        ),
    ]


def stated_megabytes() -> float:
    """Return what the README states that an hour of so many versions may keep, in MB."""
    slices = VERSIONS * (30 * 26_000 + 5 * 1_000)
    held = VERSIONS * 200_000 * 150
    journal, log = 200 * 144_000 + 2 * 8 * MEGABYTE, 100 * MEGABYTE
    return (slices + held + journal + log) / MEGABYTE


def send_all(
    service: Service, sender: Sender, first: int, events: int
) -> tuple[int, list[float], list[int]]:
    """Send events in pieces; return how many, events/s of each piece, memory after each."""
    piece = max(40, min(200, events // ROWS // 5))
    batches, rates, memory = 0, [], [service.memory()]
    while batches * ROWS < events:
        rates.append(piece * ROWS / run_through(service, sender, piece, first + batches))
        batches += piece
        memory.append(service.memory())
        tell(f"{batches * ROWS:,} events: {rates[-1]:,.0f}/s, {memory[-1] / MEGABYTE:.0f} MB")
    return batches * ROWS, rates, memory


def growth(memory: list[int]) -> float:
    """Return by how many MB the most of the second half exceeds that of the first, settled."""
    settled = memory[len(memory) // 5 :]
    half = len(settled) // 2
    return (max(settled[half:]) - max(settled[:half])) / MEGABYTE


def _ms(seconds: list[float], percent: float) -> float:
    return 1000 * float(np.percentile(seconds, percent))


def main() -> int:
    """Measure and write the results; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events are sent")
    parser.add_argument(
        "--slice-events", type=int, default=500_000, help="and of versions with many Slices"
    )
    parser.add_argument("--only", choices=("rate", "slices"), help="measure one, keep the other")
    given = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {core})
    versions = {name: version(name) for name in ("fastapi", "uvicorn", "numpy", "sqlalchemy")}
    report = Report("ingest", "make bench-ingest", versions, time.time())
    bars: list[Bar] = []
    if given.only != "slices":
        bars += measure(report, core, given.events)
    if given.only != "rate":
        bars += measure_slices(report, core, given.slice_events)
    return 0 if report.write(report.merged(bars)) else 1


if __name__ == "__main__":
    sys.exit(main())
