"""The report job: a week of a model as a page, kept in MLflow and in the drift-monitor."""

import argparse
import json
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from servicekit.callers import read_token
from training_jobs.adapters.monitor import HttpMonitor
from training_jobs.adapters.tracking import open_tracker
from training_jobs.drift_report.page import write_page
from training_jobs.drift_report.story import Story, tell_story
from training_jobs.ports import Monitor, Tracker
from training_jobs.progress import tell
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs report --model sentiment --days 7
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--days", type=float, default=7.0, help="days that it tells of")
    parser.add_argument("--until", type=float, help="their end, seconds since the epoch; now")
    parser.add_argument("--monitor-url", help="the drift-monitor's address")
    parser.add_argument("--tracking-uri", help="MLflow server; else the registry-proxy")


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Make the report; returns the result and the exit code."""
    token = read_token(settings.token_of("trainer"))
    tracker = open_tracker(arguments.tracking_uri, settings)
    with closing(HttpMonitor(arguments.monitor_url or settings.monitor_url, token)) as monitor:
        facts = monitor.facts(arguments.model, arguments.days, arguments.until)
        return report(monitor, tracker, facts), 0


def report(monitor: Monitor, tracker: Tracker, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the page, log it as a run of its own, and hand it to the drift-monitor."""
    story = tell_story(facts)
    page = write_page(facts, story)
    model, end = facts["model"], facts["end"]
    run_id = _log(tracker, facts, story, page)
    kept = {"summary": story.paragraph, "facts": json.dumps(facts), "page": page}
    monitor.keep_report(model, end, kept)
    tell(f"{story.level.value}: {story.paragraph}")
    return {
        "job": "report",
        "model": model,
        "level": story.level.name,
        "summary": story.paragraph,
        "actions": list(story.actions),
        "run_id": run_id,
        "until": end,
    }


def _log(tracker: Tracker, facts: Mapping[str, Any], story: Story, page: str) -> str:
    version = facts["versions"][0]
    stamp = f"{datetime.fromtimestamp(facts['end'], UTC):%Y%m%dT%H%M%SZ}"
    tags = {"kind": "drift-report", "level": story.level.name, "digest": version["digest"]}
    with (
        tempfile.TemporaryDirectory() as directory,
        tracker.run(f"{facts['model']}-reports", f"{facts['model']}-report-{stamp}", tags) as run,
    ):
        run.log_params({"start": str(facts["start"]), "end": str(facts["end"])})
        run.log_metrics({"texts": version["rows"], "findings": len(facts["findings"])})
        _write(Path(directory), facts, story, page)
        run.log_files(Path(directory))
        return run.run_id


def _write(into: Path, facts: Mapping[str, Any], story: Story, page: str) -> None:
    (into / "report.html").write_text(page)
    (into / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
    (into / "summary.txt").write_text(f"{story.level.value}. {story.paragraph}\n")
