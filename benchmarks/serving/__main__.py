"""Measures our server beside others, on one core, in one run: `make bench-serving`.

Results are written after every server, and what is measured alone (ARGS="--only tfidf") leaves
the results of the rest. README.md says how it is measured and who the others are.
"""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from bars import Bar, Report, tell
from environments import OWN, PEERS, python_of, versions_of
from events import measure_events
from grpc_cost import measure_grpc
from keras_network import judge_keras, measure_keras
from machine import choose_cores
from measure import Row
from minilm import judge_minilm, measure_minilm
from minilm_subject import write_minilm
from results import Results
from run import Run
from scorer_alone import measure_scorer
from soak import measure_soak
from start import measure_start
from subject import models_home, write_keras, write_tfidf
from tfidf import judge_tfidf, measure_tfidf

Comparison = tuple[Callable[[Run], Iterator[Row]], Callable[[Report, Sequence[Row]], list[Bar]]]

COMPARISONS: Mapping[str, Comparison] = {
    "tfidf": (measure_tfidf, judge_tfidf),
    "keras": (measure_keras, judge_keras),
    "minilm": (measure_minilm, judge_minilm),
}
FIGURES: Mapping[str, Callable[[Report, Run], list[Bar]]] = {
    "scorer": measure_scorer,
    "start": measure_start,
    "events": measure_events,
    "grpc": measure_grpc,
    "soak": measure_soak,
}


def main() -> None:
    """Measure what was chosen, and exit 1 when a bar is missed."""
    chosen = _arguments()
    if chosen.prepare:
        prepare()
        return
    report = Report("serving", "make bench-serving", versions_of(OWN), time.time())
    results, cores = Results(report), choose_cores()
    broken, bars = list[str](), list[Bar]()
    run = Run(models_home(), cores, chosen.seconds, chosen.servers)
    for part in chosen.only:
        tell(f"measuring {part}")
        try:
            bars = results.judge(_measure(part, report, run, results))
        except Exception:  # noqa: BLE001 - a part's edge: the others are measured all the same
            broken.append(part)
            tell(traceback.format_exc())
    missed = [bar.what for bar in bars if bar.met is False]
    tell("\n".join([*(f"MISSED: {what}" for what in missed), *(f"broken: {b}" for b in broken)]))
    sys.exit(bool(missed or broken))


def prepare() -> None:
    """Install every peer and make every model, so that a run only measures."""
    for requirements in sorted(PEERS.glob("*.txt")):
        python_of(requirements.stem)
    home = models_home()
    for write in (write_tfidf, write_keras, write_minilm):
        write(home)


def _arguments() -> argparse.Namespace:
    parts = [*COMPARISONS, *FIGURES]
    parser = argparse.ArgumentParser(prog="make bench-serving", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, metavar="PART")
    parser.add_argument("--servers", nargs="+", default=[], metavar="WORD", help="ours and these")
    parser.add_argument("--seconds", type=int, default=6, help="of the load at 8 connections")
    parser.add_argument("--prepare", action="store_true", help="only install and train")
    return parser.parse_args()


def _measure(part: str, report: Report, run: Run, results: Results) -> list[Bar]:
    if part in FIGURES:
        return FIGURES[part](report, run)
    measure, judge = COMPARISONS[part]
    for row in measure(run):
        results.keep(part, row)
    return judge(report, results.rows(part))


if __name__ == "__main__":
    # Also in the background, where a shell has interrupts ignored: servers must be ended.
    for ended in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ended, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        tell("stopped; what had been measured is written")
        sys.exit(130)
