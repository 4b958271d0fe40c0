"""Rows by who they are of, and how ours stands to theirs."""

from collections.abc import Sequence

from bars import Bar, Report
from measure import Row
from own_server import NAME


def ours(rows: Sequence[Row], name: str = NAME) -> Row | None:
    """Return our row; None when it was not measured."""
    return next((row for row in rows if row.server == name), None)


def theirs(rows: Sequence[Row], family: str) -> list[Row]:
    """Return a peer's rows, one for each of its settings."""
    return [row for row in rows if row.family == family]


def best_of(rows: Sequence[Row], family: str, connections: int, texts: int = 1) -> float | None:
    """Return a peer's texts a second in its best setting, as a multiple of the loop's."""
    found = (row.times_alone(connections, texts) for row in theirs(rows, family))
    return max((each for each in found if each), default=None)


def ratio(rows: Sequence[Row], family: str, connections: int, texts: int = 1) -> float | None:
    """Return our texts a second over those of a peer's best setting; None when one is missing.

    Each side counts as a multiple of the in-process loop as it was timed just before.
    """
    own, best = ours(rows), best_of(rows, family, connections, texts)
    mine = own and own.times_alone(connections, texts)
    return mine / best if mine and best else None


def cpu_ratio(rows: Sequence[Row], family: str, connections: int) -> float | None:
    """Return a peer's CPU time of a request, in its best setting, over ours."""
    own, loads = ours(rows), [row.load(connections) for row in theirs(rows, family)]
    best = min((load["cpu_us"] for load in loads if load), default=None)
    mine = own and own.load(connections)
    return best / mine["cpu_us"] if mine and best else None


def sameness(report: Report, part: str, own: Row | None) -> list[Bar]:
    """Return the bars of our answers against the in-process loop's."""
    flips, difference = (own.flips, own.difference) if own else (None, None)
    texts = f"{part}: of the texts checked before load"
    return [
        report.at_most(f"{part}-flips", f"{texts}, labels that differ", 0, flips),
        report.at_most(f"{part}-difference", f"{texts}, largest change", 1e-6, difference),
    ]
