"""Where the platform runs that a command is about: this machine, or a cluster.

Commands know only this; `this_machine` and `cluster.target` are the two.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from isogloss.clients.gateway import Gateway
from isogloss.connections import Connections
from isogloss.homes import Home
from isogloss.output import Table
from isogloss.projects import Project

Tell = Callable[[str], None]


class Status(Protocol):
    """What runs, what does not, why, and what to do."""

    @property
    def ready(self) -> bool:
        """Tell whether everything that should run is ready."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""

    def tables(self) -> list[Table]:
        """Return the same for a person."""


class Target(Protocol):
    """One platform, and what the commands ask of it."""

    @property
    def after_interrupt(self) -> str:
        """Say what a person does after Ctrl-C."""

    def connect(self) -> Connections:
        """Return clients of its services; nothing is called yet."""

    def gateway(self, host: str | None) -> Gateway:
        """Return where users send their requests, under a host name (None: the model's)."""

    def serve_as(self, project: Project) -> None:
        """Put a project's ServedModel where the rollout-controller finds it; idempotent."""

    def project_path(self, directory: Path | None) -> str:
        """Return where a job finds the project; Misused when it was not said."""

    def run_job(self, arguments: Sequence[str], tell: Tell, *, may_fail: bool = False) -> Any:
        """Run one training job and return its result; `jobs.conclude` says how it may end."""

    def evaluate(self, connections: Connections, model: str, version: str, tell: Tell) -> Any:
        """Run the gate's job on a version, beside the one in PRODUCTION; return its result."""

    def status(self) -> Status:
        """Look at everything."""

    def home_for(self, verb: str) -> Home:
        """Return the state directory of this machine, which `verb` works on.

        Misused in a cluster where the verb is about this machine's platform, with what to use there
        instead.
        """
