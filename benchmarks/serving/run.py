"""One run of the benchmark: where, for how long, and of what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import Cores
from own_server import NAME
from servers import Server


@dataclass(frozen=True)
class Run:
    """What was asked for. `servers` empty: all; else those whose name holds one of the words."""

    home: Path
    cores: Cores
    seconds: int
    servers: Sequence[str]

    def chosen(self, servers: Sequence[Server]) -> list[Server]:
        """Return the servers to measure; ours always, since all ratios are to it."""
        words = [word.lower() for word in self.servers]
        return [
            server
            for server in servers
            if not words
            or server.name.startswith(NAME)
            or any(word in server.name.lower() for word in words)
        ]
