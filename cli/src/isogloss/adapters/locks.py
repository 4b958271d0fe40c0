"""One command at a time may start or stop a home's processes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from isogloss.failures import Refused
from isogloss.homes import Home


@contextmanager
def sole_command(home: Home) -> Iterator[None]:
    """Hold the home for as long as the block lasts; Refused while another command does.

    The kernel lets go when the process ends, however it ends.
    """
    with (home.root / "run" / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f"another isogloss command is starting or stopping {home.root}; "
                "wait until it has ended, then run this one again"
            ) from None
        yield
