"""Trying the drift-monitor out on an artifact's Reference, without any platform."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from isogloss.failures import Refused
from isogloss.files import read_needed
from isogloss.output import Table

_PACKAGE = "drift_monitor"


def verify_calibration(artifact: Path, hours: int, budget: float) -> Any:
    """Replay quiet hours and six drifts of the Reference's own rows; takes minutes."""
    if importlib.util.find_spec(_PACKAGE) is None:
        raise Refused("the drift-monitor is not installed here: run it where it is, in its image")
    manifest = json.loads(read_needed(artifact / "manifest.json", "the artifact", "isogloss train"))
    options = ["--labels", json.dumps(manifest["labels"])]
    options += ["--hours", str(hours), "--budget", str(budget)]
    reference = str(artifact / "reference.safetensors")
    command = [sys.executable, "-m", _PACKAGE, "verify", reference, *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if not ended.stdout:
        raise Refused(ended.stderr.strip() or f"the replay ended with {ended.returncode}")
    return json.loads(ended.stdout)


def verification_table(shown: Any) -> Table:
    """Return what a replay showed, for a person."""
    low, high = shown["twelve_weeks"]
    quiet = f"{shown['false_findings']} in {shown['hours']} hours of {shown['rows_an_hour']} texts"
    rows = [
        ("false findings", quiet),
        ("that is, in 12 weeks", f"{low:.2f} to {high:.1f} (95 %); promised {shown['budget']:g}"),
        ("signals watched", str(shown["signals"])),
    ]
    for drift, hours in shown["found_after_hours"].items():
        rows.append((drift, "NOT FOUND in a day" if hours is None else f"found after {hours} h"))
    return Table(("drift", "passed" if shown["passed"] else "FAILED"), rows)
