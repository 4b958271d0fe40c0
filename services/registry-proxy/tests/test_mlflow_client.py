"""The unmodified MLflow client through the door: a real client, a real proxy, a real server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

USER = Path(__file__).with_name("mlflow_user.py")


@pytest.fixture
def user(launch, mlflow, empty_world):
    """Run MLflow's client as somebody; returns the process's result."""
    service = launch(mlflow.url).ready()

    def run(name, token="token of trainer"):
        environment = {
            "PATH": os.environ["PATH"],
            "MLFLOW_TRACKING_URI": service.url,
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
            "GIT_PYTHON_REFRESH": "quiet",
            "HOME": str(empty_world.folder),
        }
        return subprocess.run(
            [sys.executable, str(USER), name],
            env=environment,
            cwd=empty_world.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def test_runs_metrics_artifacts_models_and_prompts_work(user):
    finished = user("reviews")

    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout.splitlines()[-1])
    assert told["author"] == "the trainer"
    assert told["metrics"] == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert told["files"] == ["files/empty", "files/large.bin", "files/note one.txt"]
    assert told["bytes"]
    assert told["note"] == "a note"
    assert told["found"] == 1
    assert (told["version"], told["predicted"], told["searched"]) == ("1", [1], ["1"])
    assert told["prompt"] == "Classify: {{text}}"
    assert told["prompts"] == ["reviews-prompt"]


def test_a_stranger_cannot_even_begin(user):
    finished = user("reviews", token="nobody's")

    assert finished.returncode != 0
    assert "unauthorized" in finished.stderr
