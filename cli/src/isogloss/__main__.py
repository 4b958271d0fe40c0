"""Starts the `isogloss` command; its exit codes are in `failures`."""

import sys

from isogloss.application import application
from isogloss.failures import Failure
from isogloss.output import say


def main() -> None:
    """Run the command that the arguments name; a Failure becomes its sentence and exit code."""
    try:
        application()
    except Failure as failure:
        say(f"isogloss: {failure}")
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
