"""Starts the `isogloss` command, also as kubectl's plugin; its exit codes are in `failures`."""

import sys
from collections.abc import Sequence

from isogloss.application import application
from isogloss.failures import Failure
from isogloss.option_order import global_options_first
from isogloss.output import say


def main() -> None:
    """Run the command that the arguments name; a Failure becomes its sentence and exit code."""
    _run("isogloss", sys.argv[1:])


def kubectl_plugin() -> None:
    """Run it as `kubectl isogloss`: the same commands, always about a cluster."""
    _run("kubectl isogloss", ["--cluster", *sys.argv[1:]])


def _run(name: str, arguments: Sequence[str]) -> None:
    try:
        application(args=global_options_first(arguments), prog_name=name)
    except Failure as failure:
        say(f"isogloss: {failure}")
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
