"""A tiny model project on disk, a real MLflow server, and what stands in for the rest."""

import csv
import importlib.util
import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

_FAKES = "training_jobs_fakes"
_spec = importlib.util.spec_from_file_location(_FAKES, Path(__file__).with_name("fakes.py"))
_fakes = importlib.util.module_from_spec(_spec)
sys.modules[_FAKES] = _fakes
_spec.loader.exec_module(_fakes)

GOOD, BAD = "wonderful moving brilliant", "dreadful boring clumsy"
WORDS = ("the", "film", "story", "actor", "scene", "music", "plot", "camera", "end", "night")


def pytest_configure(config):
    config.addinivalue_line("markers", "network: fetches a package from the configured index")


@pytest.fixture
def fakes():
    return _fakes


def reviews(count, seed=0):
    """Rows (text, label) whose label a model can learn, of 8 to 400 words."""
    draw = random.Random(seed)  # noqa: S311 - the same rows every time
    for number in range(count):
        positive = number % 2 == 0
        words = draw.choices(WORDS, k=draw.choice([8, 40, 200, 400]))
        words += draw.choices((GOOD if positive else BAD).split(), k=3)
        draw.shuffle(words)
        yield " ".join([*words, f"take{number}"]), "positive" if positive else "negative"


def write_csv(path, rows, columns=("review", "sentiment")):
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)
    return path


DATASET = {
    "kind": "Dataset",
    "name": "tiny",
    "version": "1.0.0",
    "task": "text-classification",
    "language": "en",
    "license": "MIT",
    "schema": {"text": "string", "label": "enum"},
    "labels": {"0": "negative", "1": "positive"},
    "quality": {
        "min_rows": 100,
        "max_null_text_pct": 1,
        "max_duplicate_pct": 5,
        "max_conflicting_labels": 0,
        "min_label_pct": 30,
        "max_text_characters": 20000,
    },
    "split": {
        "test_share": 0.2,
        "random_state": 42,
        "stratified": False,
        "near_duplicates": 0.8,
    },
    "slices": {"short_max_words": 128, "long_min_words": 301, "domain": "source"},
    "sources": [
        {"name": "films", "kind": "csv", "path": "reviews.csv"},
        {"name": "books", "kind": "csv", "path": "books.csv"},
    ],
    "sets": [{"name": "main", "sources": ["films"]}, {"name": "books", "sources": ["books"]}],
}

PLAN = {
    "kind": "TrainingPlan",
    "model": "sentiment",
    "owner": "tests",
    "seed": 42,
    "families": [
        {"name": "tfidf_linear", "params": {"max_features": 500}},
        {"name": "chars", "family": "tfidf_linear", "params": {"analyzer": "char"}},
    ],
}


@pytest.fixture
def project(tmp_path):
    """A project of 200 film reviews and 20 book reviews as a second set."""
    directory = tmp_path / "project"
    directory.mkdir()
    write_csv(directory / "reviews.csv", reviews(200))
    write_csv(directory / "books.csv", reviews(20, seed=1), ("text", "label"))
    write_yaml(directory / "dataset.yaml", DATASET)
    write_yaml(directory / "train.yaml", PLAN)
    return directory


def write_yaml(path, document):
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.fixture
def change_dataset(project):
    """Write `dataset.yaml` again with other values: `change_dataset("quality", min_rows=500)`."""

    def change(*path, **values):
        document = yaml.safe_load((project / "dataset.yaml").read_text(encoding="utf-8"))
        section = document
        for key in path:
            section = section[key]
        section.update(values)
        write_yaml(project / "dataset.yaml", document)

    return change


@pytest.fixture
def write_reviews(project):
    """Replace the project's film reviews."""

    def write(rows, columns=("review", "sentiment")):
        return write_csv(project / "reviews.csv", rows, columns)

    return write


@pytest.fixture(scope="session")
def two_hundred_reviews():
    return list(reviews(200))


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def run_job(home):
    """Run a job as a process; returns (exit code, its result, what it told)."""

    def run(*arguments, **environment):
        ended = subprocess.run(
            [sys.executable, "-m", "training_jobs", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ISOGLOSS_HOME": str(home),
                "ISOGLOSS_TRAINING_JOBS_COMMIT": "c" * 40,
                **environment,
            },
        )
        last = ended.stdout.strip().rpartition("\n")[2]
        return ended.returncode, json.loads(last) if last else None, ended.stderr

    return run


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory):
    """A real MLflow server on SQLite, for all tests of the session."""
    place = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{place}/mlflow.db"]
    command += ["--artifacts-destination", str(place / "artifacts")]
    with (place / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=place, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        await_answer(f"{url}/health", server, place / "log")
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def await_answer(url, server, log):
    with httpx.Client(transport=httpx.HTTPTransport(retries=3)) as client:
        while True:
            try:
                client.get(url).raise_for_status()
            except httpx.HTTPError:
                assert server.poll() is None, log.read_text()
            else:
                return
