"""What workers and the process that is scraped see of each other: numbers in shared memory.

It is made before any of them is forked. A worker writes its own slot and nobody else's; its counts
stay when it dies and the next one in its place goes on from them.
"""

import mmap

from inference.metrics import CELLS, Cells
from textmodels.families import FAMILIES

_ROW = CELLS + 2  # the metrics, then whether the worker is ready, then its process
_READY, _PID = CELLS, CELLS + 1
_FAMILIES = sorted(FAMILIES)


class Board:
    """A row for each of so many workers, and one number that is everybody's."""

    def __init__(self, workers: int) -> None:
        memory = memoryview(mmap.mmap(-1, 8 * (1 + _ROW * workers))).cast("d")
        self._common, own = memory[:1], memory[1:]
        self._rows = [own[_ROW * at : _ROW * (at + 1)] for at in range(workers)]

    @property
    def family(self) -> str | None:
        """The family of the version that is served; None before that is known."""
        number = int(self._common[0])
        return _FAMILIES[number - 1] if number else None

    @family.setter
    def family(self, family: str) -> None:
        self._common[0] = _FAMILIES.index(family) + 1

    @property
    def missing(self) -> str | None:
        """Why not all workers serve; None when they do."""
        count = len(self._rows)
        ready = sum(map(self.is_ready, range(count)))
        return None if ready == count else f"{ready} of {count} workers are ready"

    @property
    def pids(self) -> list[int]:
        """The processes that are workers now."""
        return [int(row[_PID]) for row in self._rows if row[_PID]]

    def cells(self, worker: int) -> Cells:
        """Return where a worker counts."""
        return Cells(self._rows[worker][:CELLS])

    def enter(self, worker: int, pid: int) -> None:
        """Write down which process is the worker now."""
        self._rows[worker][_PID] = pid

    def leave(self, worker: int) -> None:
        """Write down that no process is the worker."""
        self._rows[worker][_READY] = self._rows[worker][_PID] = 0

    def mark_ready(self, worker: int) -> None:
        """Say that the worker serves."""
        self._rows[worker][_READY] = 1

    def is_ready(self, worker: int) -> bool:
        """Tell whether it does."""
        return bool(self._rows[worker][_READY])

    def add_into(self, cells: Cells) -> None:
        """Write the sums over all workers."""
        for at in range(CELLS):
            cells.array[at] = sum(row[at] for row in self._rows)
