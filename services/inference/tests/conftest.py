"""One tiny artifact for the whole suite, and an app that is asked without a socket."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path

import httpx
import pytest

from inference.app import compose
from inference.settings import InferenceSettings
from textmodels.artifacts import read_manifest, save_artifact
from textmodels.families import fit_family

_GOOD = ("a good film", "great story and fine actors", "good fun", "a fine and great film")
_BAD = ("a bad film", "awful story and poor actors", "bad and dull", "a poor and awful film")


def _load(name):
    # In pytest's importlib mode a test's neighbours cannot be imported by name.
    spec = importlib.util.spec_from_file_location(
        f"inference_{name}", Path(__file__).with_name(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_fakes, _processes = _load("fakes"), _load("processes")


@pytest.fixture(scope="session")
def processes():
    return _processes


@pytest.fixture(scope="session")
def fakes():
    return _fakes


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    """A directory with a real, if simple-minded, sentiment model."""
    return _save(tmp_path_factory.mktemp("artifacts") / "sentiment", {"min_df": 1})


@pytest.fixture(scope="session")
def pipeline_artifact(tmp_path_factory):
    """The same of characters, which has no compiled form: only scikit-learn scores it."""
    params = {"min_df": 1, "analyzer": "char"}
    return _save(tmp_path_factory.mktemp("artifacts") / "characters", params)


def _save(directory, params):
    labels = ["positive"] * len(_GOOD) + ["negative"] * len(_BAD)
    fitted = fit_family("tfidf_linear", [*_GOOD, *_BAD], labels, params, seed=1)
    save_artifact(directory, fitted, {"run_id": "a-run"})
    return directory


@pytest.fixture(scope="session")
def digest(artifact):
    return read_manifest(artifact).digest


@pytest.fixture
def private_file(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def start_process(artifact):
    """Start real processes on ports of their own; whatever is left of them ends with the test."""
    started = []

    def start(**settings):
        given = {"model": "sentiment", "artifact": artifact, "port": 0, "metrics_port": 0}
        given |= {"shutdown_delay_seconds": 0}
        started.append(_processes.Process(**given | settings))
        return started[-1]

    yield start
    for process in started:
        process.end()


class RunningInference:
    """A composed process without its ports: each request runs the loop until it is answered."""

    def __init__(self, runner, inference):
        self._runner = runner
        self.inference = inference

    def run(self, awaitable):
        return self._runner.run(awaitable)

    def ask(self, method, path, app=None, **options):
        return self.run(self._ask(app or self.inference.public, method, path, options))

    async def _ask(self, app, method, path, options):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://inference") as http:
            return await http.request(method, path, **options)

    def post(self, path, body, **options):
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.ask("POST", path, content=content, **options)

    def get(self, path):
        return self.ask("GET", path)

    def metrics(self):
        lines = self.ask("GET", "/metrics", self.inference.pages).text.splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@pytest.fixture
def start(artifact):
    """Compose a process with these settings and run its lifespan, until the test ends."""
    runner = asyncio.Runner()
    leads = []

    def start(**settings):
        given = {"model": "sentiment", "artifact": str(artifact)} | settings
        inference = compose(InferenceSettings(**given))
        lead = inference.predictions.router.lifespan_context(inference.predictions)
        runner.run(lead.__aenter__())
        leads.append(lead)
        return RunningInference(runner, inference)

    yield start
    for lead in leads:
        runner.run(lead.__aexit__(None, None, None))
    runner.close()


@pytest.fixture
def started(start):
    """Such a process that has become ready."""

    def started(**settings):
        running = start(**settings)
        while running.get("/readyz").status_code != 200:
            assert running.inference.health.failure is None
        return running

    return started
