"""The accept job: some weeks of Production traffic become what later traffic is compared with.

The rows are those that the drift-monitor kept; or, for the time before it kept any, texts that the
caller kept, measured by the version itself. The file is an artifact of a run of its own, named by
its digest, and the drift-monitor compares the version's traffic with it from the next hour on.
"""

import argparse
import hashlib
import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from servicekit.callers import read_token
from textmodels.artifacts import ArtifactError, load_artifact
from textmodels.traffic_reference import (
    TRAFFIC_REFERENCE_NAME,
    Traffic,
    build_traffic_reference,
)
from training_jobs.adapters.monitor import HttpMonitor
from training_jobs.adapters.registry import HttpRegistry
from training_jobs.adapters.tracking import open_tracker
from training_jobs.ports import Monitor, Registry, Tracker
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs accept --model sentiment --days 14
  python -m training_jobs accept --model sentiment --texts march.jsonl --artifact kept/model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--days", type=int, default=14, help="days up to now that are accepted")
    parser.add_argument("--version", default="production", help="number or digest; the Production")
    parser.add_argument("--texts", type=Path, help='JSON lines of {"text", "time"}, in their place')
    parser.add_argument("--artifact", type=Path, help="with --texts: the version's directory")
    parser.add_argument(
        "--despite-pages", action="store_true", help="accept a time in which a finding paged"
    )
    parser.add_argument("--monitor-url", help="the drift-monitor's address")
    parser.add_argument("--registry-url", help="the registry-proxy's address")
    parser.add_argument("--tracking-uri", help="MLflow server; else the registry-proxy")


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Accept the traffic; returns the result and the exit code."""
    token = read_token(settings.token_of("trainer"))
    tracker = open_tracker(arguments.tracking_uri, settings)
    with (
        closing(HttpRegistry(arguments.registry_url or settings.registry_url, token)) as registry,
        closing(HttpMonitor(arguments.monitor_url or settings.monitor_url, token)) as monitor,
    ):
        model = arguments.model
        digest = find_version(registry, model, arguments.version)
        if not arguments.despite_pages:
            refuse_pages(monitor, model, digest, arguments.days)
        if arguments.texts:
            content = measure_texts(arguments.texts, arguments.artifact, digest)
        else:
            content = monitor.sample(model, digest, arguments.days)
        return accept(monitor, tracker, (model, digest), content), 0


def find_version(registry: Registry, model: str, named: str) -> str:
    """Return the digest of the version that is meant; JobRefused where there is none."""
    found = registry.model_state(model).find(named)
    if found is None:
        raise JobRefused(f"{model} has no version {named}: `isogloss models show {model}`")
    return found.digest


def refuse_pages(monitor: Monitor, model: str, digest: str, days: int) -> None:
    """Raise JobRefused when drift of the version woke somebody in that time."""
    found = monitor.facts(model, days, None)["findings"]
    paged = [f for f in found if f["digest"] == digest and f["severity"] == "page"]
    if paged:
        raise JobRefused(
            f"{len(paged)} findings of these {days} days paged, the last: {paged[0]['text']}; "
            "traffic that did harm is accepted with --despite-pages only"
        )


def measure_texts(path: Path, artifact: Path | None, digest: str) -> bytes:
    """Measure texts that the caller kept by the version's own artifact."""
    if artifact is None:
        raise JobRefused("--texts needs --artifact, the directory of the version")
    try:
        _, predictor = load_artifact(artifact, digest)
        read = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        traffic = Traffic([str(r["text"]) for r in read], [float(r["time"]) for r in read])
        return build_traffic_reference(predictor, digest, traffic)
    except (ArtifactError, OSError, ValueError, KeyError, TypeError) as error:
        raise JobRefused(f"{path} cannot be measured: {error!r}") from error


def accept(
    monitor: Monitor, tracker: Tracker, version: tuple[str, str], content: bytes
) -> dict[str, Any]:
    """Keep the file as a run's artifact and hand it to the drift-monitor."""
    model, digest = version
    sha256 = "sha256:" + hashlib.sha256(content).hexdigest()
    tags = {"kind": "accepted-traffic", "digest": digest, "sha256": sha256}
    with (
        tempfile.TemporaryDirectory() as directory,
        tracker.run(f"{model}-references", f"{model}-accepted-{sha256[7:19]}", tags) as run,
    ):
        (Path(directory) / TRAFFIC_REFERENCE_NAME).write_bytes(content)
        run.log_files(Path(directory))
        accepted = monitor.accept(model, digest, content)
        if accepted["sha256"] != sha256:
            raise JobRefused(f"the drift-monitor took {accepted['sha256']}, sent was {sha256}")
        run.log_metrics({"rows": accepted["rows"], "texts": accepted["texts"]})
        run_id = run.run_id
    tell(f"{model}: {accepted['rows']} rows of {accepted['texts']} texts are accepted, as {sha256}")
    return {"job": "accept", "model": model, "run_id": run_id, **accepted}
