"""The file that names the receivers of events; it holds their secrets, so it is its reader's."""

import json
from pathlib import Path

from registry_proxy.events.ports import Receiver
from registry_proxy.events.receivers import read_receivers
from servicekit.callers import FileRefused, WatchedFile, read_owner_only


class ReceiversFile:
    """Read again when it changes. Raises FileRefused when built on an unusable one."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, _read)

    def current(self) -> tuple[Receiver, ...]:
        """Return those that are named now."""
        return self._file.current()


def _read(path: Path) -> tuple[Receiver, ...]:
    try:
        return read_receivers(json.loads(read_owner_only(path)))
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"{path} names no receivers of events: {error}.") from error
