"""Stopping the local platform by its process files, in an order that loses nothing."""

from collections.abc import Iterable

from isogloss.adapters.locks import sole_command
from isogloss.adapters.processes import Processes
from isogloss.homes import Home
from isogloss.launches import STOP_ORDER
from isogloss.output import say


def stop_platform(home: Home) -> list[str]:
    """Stop every recorded process and return the names of those that ran."""
    if not home.root.exists():
        return []
    home.create()
    with sole_command(home):
        return _stop_all(Processes(home))


def stopping_order(names: Iterable[str]) -> list[str]:
    """Sort process names by `STOP_ORDER`; whatever it does not name is predictors and jobs."""
    return sorted(names, key=lambda name: (_place(name), name))


def _stop_all(running: Processes) -> list[str]:
    stopped = []
    for name in stopping_order(running.names()):
        if running.stop(name):
            say(f"{name}: stopped")
            stopped.append(name)
    return stopped


def _place(name: str) -> int:
    return STOP_ORDER.index(name if name in STOP_ORDER else "*")
