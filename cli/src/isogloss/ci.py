"""CI for a model: lint, unit tests, schema, offline Gate, pack, push to STAGING, in this order.

Each step stops the next ones. What `gate` trained is remembered in the home, so that `pack` and
`push` can also be typed alone. Whether the version may stand in STAGING is the registry-proxy's
decision, on Evidence that `push` has measured over HTTP.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isogloss.connections import Connections
from isogloss.failures import Failure, Refused
from isogloss.files import read_needed, write_whole
from isogloss.homes import Home
from isogloss.pack import pack_artifact
from isogloss.projects import load_project
from isogloss.targets import Target
from isogloss.train import TrainingRequest, training_arguments
from isogloss.verdicts import verdict_lines

Tell = Callable[[str], None]
_STANDARD_ERROR = 2
"""What a tool prints is no data of ours."""


@dataclass(frozen=True)
class Pipeline:
    """One project on one platform; `request` is what `gate` trains, `kept` where it leaves what the
    next steps need.
    """

    home: Home
    target: Target
    project: Path
    request: TrainingRequest
    tell: Tell

    @property
    def model(self) -> str:
        """The model that the project is about."""
        return load_project(self.project).model

    @property
    def kept(self) -> Path:
        """Where the steps leave what the next ones need."""
        return self.home.root / "ci" / self.model

    def lint(self) -> None:
        """Read every file that the platform reads, and have ruff read the project's Python."""
        self.tell(f"policy and ServedModel of {self.model} can be used")
        if any(self.project.rglob("*.py")):
            _run_tool("ruff", ["check", str(self.project)])

    def test(self) -> None:
        """Run the project's own unit tests; a project without any is refused."""
        tests = self.project / "tests"
        if not tests.is_dir():
            raise Refused(f"{self.project} has no tests/; test its tokeniser and its labels there")
        _run_tool("pytest", ["-q", str(tests)])

    def schema(self) -> None:
        """Check data and prompts against their schema, limits, pins and committed contents."""
        arguments = ["check-data", str(self.request.project), "--frozen"]
        result = self.target.run_job(arguments, self.tell, may_fail=True)
        if result["outcome"] != "PASS":
            raise Refused("the data or the prompts failed a check, listed above")

    def gate(self) -> None:
        """Train, and judge the artifact by the project's offline Gates."""
        shutil.rmtree(self.kept, ignore_errors=True)
        arguments = [*training_arguments(self.request), "--judge"]
        run = self.target.run_job(arguments, self.tell, may_fail=True)
        outcome = run["verdict"]["outcome"]
        if outcome != "PASS":
            raise Refused(f"the offline Gates answer {outcome}, as listed above")
        self.home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.kept.mkdir(parents=True)
        write_whole(self.kept / "run.json", json.dumps(run).encode())

    def pack(self, connections: Connections) -> None:
        """Fetch the artifact that passed from its run, and pack it."""
        run, model = self._run(), self.kept / "model"
        shutil.rmtree(model, ignore_errors=True)
        model.mkdir()
        for name in connections.registry.run_files(run["run_id"], run["artifact_path"]):
            content = connections.registry.run_file(run["run_id"], run["artifact_path"], name)
            (model / name).write_bytes(content)
        packed = self.kept / f"{self.model}-{run['digest'].removeprefix('sha256:')[:12]}.tar"
        self.tell(f"{packed}: {pack_artifact(model, packed, run['digest'])}")

    def push(self, connections: Connections) -> None:
        """Apply the policy, register the run, measure it over HTTP, and ask for STAGING."""
        project, run = load_project(self.project), self._run()
        connections.registry.put_policy(project.model, project.policy)
        answer = connections.registry.register(project.model, run["run_id"], run["artifact_path"])
        number = str(answer["version"]["number"])
        self.tell(f"{project.model} {number} is registered: {answer['version']['digest']}")
        if answer["version"]["stage"] not in ("REGISTERED", "ARCHIVED"):
            self.tell(f"{project.model} {number} is in {answer['version']['stage']} already")
            return
        self.target.evaluate(connections, project.model, number, self.tell)
        self._promote(connections, project.model, number)

    def _promote(self, connections: Connections, model: str, number: str) -> None:
        try:
            answer = connections.registry.promote(model, number, "STAGING")
        except Refused as refused:
            for line in verdict_lines(refused.problem.get("verdict")):
                self.tell(line)
            raise
        for line in verdict_lines(answer["verdict"]):
            self.tell(line)

    def _run(self) -> Any:
        remedy = "isogloss ci gate trains a version and leaves it there"
        return json.loads(read_needed(self.kept / "run.json", "the trained run", remedy))


@dataclass(frozen=True)
class Step:
    """One step by its name."""

    name: str
    run: Callable[[], None]


def run_steps(steps: Sequence[Step], tell: Tell) -> None:
    """Run steps in order; the first Failure says which steps were not run, and goes on up."""
    for place, step in enumerate(steps):
        tell(f"{place + 1}/{len(steps)} {step.name}")
        try:
            step.run()
        except Failure:
            left = ", ".join(later.name for later in steps[place + 1 :]) or "nothing"
            tell(f"ci stopped at {step.name}; not run: {left}")
            raise


def _run_tool(name: str, arguments: Sequence[str]) -> None:
    if importlib.util.find_spec(name) is None:
        raise Refused(f"{name} is not installed here; pip install {name}")
    ended = subprocess.run(
        [sys.executable, "-m", name, *arguments], stdout=_STANDARD_ERROR, check=False
    )
    if ended.returncode:
        raise Refused(f"{name} ended with {ended.returncode}, as it said above")
