"""Measures one server: sameness of its answers first, then loads, beside the in-process loop."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alone import Alone
from bars import tell
from environments import versions_of
from loads import Asked, Load, load, warm, write_bodies
from machine import Cores, memory_mb
from servers import Live, Server, running
from subject import Subject

MANY = 32
_CHECKED = 64
_ALONE_SECONDS = 1.5
_WARM_SECONDS = 1


@dataclass(frozen=True)
class Bench:
    """What all measurements of a part share."""

    cores: Cores
    subject: Subject
    alone: Alone
    loads: Sequence[Asked]


@dataclass(frozen=True)
class Row:
    """What was measured of one server."""

    server: str
    family: str
    versions: dict[str, str]
    alone_rate: float
    """Texts a second of the in-process loop, just before."""
    flips: int | None
    """Texts, of those checked, whose label is another than the loop's; None: it has no answers."""
    difference: float | None
    memory_mb: float
    """Resident, of its largest process."""
    loads: list[dict[str, Any]]

    def load(self, connections: int, texts: int = 1) -> dict[str, Any] | None:
        """Return what one load showed; None when it was not made."""
        of = (each for each in self.loads if each["connections"] == connections)
        return next((each for each in of if each["texts"] == texts), None)

    def times_alone(self, connections: int, texts: int = 1) -> float | None:
        """Return texts a second as a multiple of the in-process loop's."""
        shown = self.load(connections, texts)
        return shown["rate"] * texts / self.alone_rate if shown else None


def measure_each(servers: Sequence[Server], bench: Bench) -> Iterator[Row]:
    """Measure servers in turn; one that does not serve is told of and left out."""
    for server in servers:
        try:
            yield _measure(server, bench)
        except (RuntimeError, OSError) as broken:
            tell(f"  {server.name} could not be measured: {broken}")


def _measure(server: Server, bench: Bench) -> Row:
    """Start a server, compare its answers with the loop's, and put it under every load."""
    rate = bench.alone.rate(_ALONE_SECONDS)
    with running(server, bench.subject.home, bench.cores.server) as live:
        flips, difference = _compare(live, bench)
        loads = _loads(live, bench)
        memory = memory_mb(live.pid)
    row = Row(
        server.name,
        server.family,
        versions_of(server.environment),
        rate,
        flips,
        difference,
        memory,
        [asdict(each) for each in loads],
    )
    told = [f"c={each.connections} n={each.texts}: {each.rate:.0f}/s" for each in loads]
    tell(f"  {server.name}: {', '.join(told)}, the loop {rate:.0f}/s")
    return row


def _compare(live: Live, bench: Bench) -> tuple[int | None, float | None]:
    if not live.server.is_a_model:
        return None, None
    texts = bench.subject.texts[:_CHECKED]
    expected = bench.alone.scores(texts)
    found = [live.ask([text])[0] for text in texts]
    pairs = list(zip(expected, found, strict=True))
    flips = sum((one > 0.5) != (other > 0.5) for one, other in pairs)
    return flips, max(abs(one - other) for one, other in pairs)


def _loads(live: Live, bench: Bench) -> list[Load]:
    made = []
    with tempfile.TemporaryDirectory() as scratch:
        bodies = Path(scratch) / "bodies"
        for asked in bench.loads:
            if asked.texts > 1 and live.server.many is None:
                continue
            write_bodies(live, bench.subject.texts, asked, bodies)
            if not made:
                warm(live, bodies, Asked(8, 1, _WARM_SECONDS), bench.cores.load)
            made.append(load(live, bodies, asked, bench.cores.load))
    return made
