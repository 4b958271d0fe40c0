"""The register job: a run's model becomes a version, its bytes copied by digest."""

import argparse
from contextlib import closing
from typing import Any

from servicekit.callers import read_token
from training_jobs.adapters.registry import HttpRegistry
from training_jobs.ports import Registry
from training_jobs.progress import tell
from training_jobs.settings import TrainingSettings

EXAMPLE = """example:
  python -m training_jobs register --model sentiment --run 0f1e2d3c4b5a69788796a5b4c3d2e1f0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the job's arguments."""
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--run", required=True, help="the run's id, as train printed it")
    parser.add_argument("--artifact-path", default="model", help="the model within the run")
    parser.add_argument("--registry-url", help="the registry-proxy's address")


def run(arguments: argparse.Namespace, settings: TrainingSettings) -> tuple[dict[str, Any], int]:
    """Register; returns the result and the exit code."""
    token = read_token(settings.token_of("trainer"))
    with closing(HttpRegistry(arguments.registry_url or settings.registry_url, token)) as registry:
        return register(registry, arguments.model, arguments.run, arguments.artifact_path), 0


def register(registry: Registry, model: str, run_id: str, artifact_path: str) -> dict[str, Any]:
    """Register a run's artifact, and say which version it is."""
    answer = registry.register(model, run_id, artifact_path)
    version = answer["version"]
    told = "is registered" if answer["new"] else "was registered before"
    tell(f"{model} version {version['number']} {told}: {version['digest']}")
    return {
        "job": "register",
        "model": model,
        "version": version["number"],
        "digest": version["digest"],
        "stage": version["stage"],
        "new": answer["new"],
    }
