"""The demo's voice: numbered steps with their times, on standard output."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from isogloss.output import Table, show_table


@dataclass(frozen=True)
class StepTime:
    """A finished step and how long it took."""

    number: int
    title: str
    seconds: float


class Narrator:
    """Tells the steps as they happen and remembers their times."""

    def __init__(self) -> None:
        self.steps: list[StepTime] = []
        self._began = time.monotonic()

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """Tell that a step begins, and when it is done how long it took."""
        began = time.monotonic()
        self._write(f"\n[{self.elapsed():6.1f} s] {number}. {title}")
        yield
        seconds = time.monotonic() - began
        self.steps.append(StepTime(number, title, round(seconds, 1)))
        self._write(f"           ({seconds:.1f} s)")

    def tell(self, text: str) -> None:
        """Tell something that belongs to the step."""
        for line in text.splitlines():
            self._write(f"           {line}")

    def tell_all(self, lines: Sequence[str]) -> None:
        """Tell several lines."""
        self.tell("\n".join(lines))

    def table(self, title: str, table: Table) -> None:
        """Show a table under its title."""
        self._write(f"\n{title}")
        show_table(table)

    def elapsed(self) -> float:
        """Return the seconds since the demo began."""
        return time.monotonic() - self._began

    def to_list(self) -> list[dict[str, object]]:
        """Return the steps' JSON form."""
        return [asdict(step) for step in self.steps]

    def _write(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
