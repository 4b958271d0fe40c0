"""One run of the load generator as a process: signals, the result file, feedback.

The result file is written anew every second, so that a run that is killed leaves its counts.
"""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from isogloss.adapters.processes import now
from isogloss.adapters.ways import Way
from isogloss.files import write_json
from isogloss.load.feedback import Feedback
from isogloss.load.generator import LoadGenerator, LoadPlan
from isogloss.load.texts import LabelledText

_WRITE_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class LoadRun:
    """A plan with its texts, where the result goes (None: nowhere), and the way that labels go
    to the drift-monitor (None: they are not sent).
    """

    plan: LoadPlan
    texts: list[LabelledText]
    result: Path | None = None
    feedback: Way | None = None


def run_load(run: LoadRun) -> dict[str, Any]:
    """Send until the plan is over or SIGINT or SIGTERM comes; return the counts."""
    return uvloop.run(_run(run))


async def _run(run: LoadRun) -> dict[str, Any]:
    feedback = Feedback(run.feedback) if run.feedback else None
    generator = LoadGenerator(run.plan, run.texts, now, feedback.add if feedback else None)
    loop = asyncio.get_running_loop()
    for signalled in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signalled, generator.stop)
    started_at = now()
    reporting = asyncio.create_task(_report(run, generator, feedback, started_at))
    await generator.run()
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)
    if feedback:
        await feedback.close()
    document = _document(run, generator, feedback, started_at) | {"complete": True}
    _write(run, document)
    return document


async def _report(
    run: LoadRun, generator: LoadGenerator, feedback: Feedback | None, started_at: float
) -> None:
    while True:
        await asyncio.sleep(_WRITE_EVERY_SECONDS)
        if feedback:
            await feedback.send()
        _write(run, _document(run, generator, feedback, started_at))


def _document(
    run: LoadRun, generator: LoadGenerator, feedback: Feedback | None, started_at: float
) -> dict[str, Any]:
    return {
        "complete": False,
        "started_at": started_at,
        "written_at": now(),
        "rate": run.plan.rate,
        "connections": run.plan.connections,
        "texts": len(run.texts),
        **generator.tally.to_dict(),
        "feedback": feedback.to_dict() if feedback else None,
    }


def _write(run: LoadRun, document: dict[str, Any]) -> None:
    if run.result:
        write_json(run.result, document)
