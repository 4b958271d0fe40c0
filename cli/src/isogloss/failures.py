"""How a command ends when it does not end well: one exception per exit code.

0 is done, 1 refused or a failed gate, 2 usage, 3 unreachable, 130 interrupted. Every message
names the thing, the reason, and what to do next.
"""

from collections.abc import Mapping
from typing import Any


class Failure(Exception):
    """A command cannot go on; `exit_code` is what the shell gets."""

    exit_code = 1


class Refused(Failure):
    """Somebody said no: a service, a Gate, a check. `problem` is the service's own answer."""

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem = dict(problem or {})

    @property
    def slug(self) -> str:
        """Return the last part of the problem's type (`gate-refused`), or nothing."""
        return str(self.problem.get("type", "")).rpartition(":")[2]


class Misused(Failure):
    """The command was called with something that cannot be meant."""

    exit_code = 2


class Unreachable(Failure):
    """A service does not answer."""

    exit_code = 3


class Interrupted(Failure):
    """A person pressed Ctrl-C, or asked the process to end."""

    exit_code = 130
