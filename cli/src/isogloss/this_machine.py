"""The platform of this machine as a target of the commands: everything is in its home."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isogloss.apply import apply_served_model
from isogloss.clients.gateway import Gateway
from isogloss.connections import Connections, connect, gateway_of
from isogloss.evaluate import evaluate_version
from isogloss.failures import Misused
from isogloss.homes import Home
from isogloss.jobs import run_job
from isogloss.projects import Project
from isogloss.status import PlatformStatus, platform_status
from isogloss.targets import Tell


@dataclass(frozen=True)
class ThisMachine:
    """One home; see `targets.Target` for what each method promises."""

    home: Home
    after_interrupt: str = (
        "What was started is on record: isogloss status shows it, isogloss up goes on, "
        "isogloss down stops it"
    )

    def connect(self) -> Connections:
        """Return clients on the home's ports."""
        return connect(self.home)

    def gateway(self, host: str | None) -> Gateway:
        """Return the local Envoy."""
        return replace(gateway_of(self.home), host=host)

    def serve_as(self, project: Project) -> None:
        """Write the file that the rollout-controller watches."""
        apply_served_model(self.home, project)

    def project_path(self, directory: Path | None) -> str:
        """Return the directory itself."""
        if directory is None:
            raise Misused("name the project's directory, such as examples/sentiment")
        return str(directory)

    def run_job(self, arguments: Sequence[str], tell: Tell, *, may_fail: bool = False) -> Any:
        """Run the job as a process of this machine."""
        return run_job(self.home, arguments, tell, may_fail=may_fail)

    def evaluate(self, connections: Connections, model: str, version: str, tell: Tell) -> Any:
        """Run the job beside predictors of its own."""
        return evaluate_version(self.home, connections, model, version, tell)

    def status(self) -> PlatformStatus:
        """Look at every process."""
        return platform_status(self.home)

    def home_for(self, verb: str) -> Home:  # noqa: ARG002 - every verb works on it here
        """Return the home."""
        return self.home
