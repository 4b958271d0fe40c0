"""Which queue of events this host has: the one in C, or its twin in Python.

`native/events.h` knows how events are packed, and `events_python` where nothing is compiled.
"""

from collections.abc import Callable
from dataclasses import dataclass

from inference.events import EventQueue, Subject
from inference.events_python import EventQueue as PythonEventQueue

QUEUES: list[Callable[..., EventQueue]] = [PythonEventQueue]
"""The queues there are on this host, the fastest first."""
try:
    from inference._events import EventQueue as CEventQueue
except ImportError:
    pass  # no C compiler when it was installed: the twin packs the same
else:
    QUEUES.insert(0, CEventQueue)


@dataclass(frozen=True)
class EventQueues:
    """Opens queues of events about one version."""

    subject: Subject
    limit: int
    """Rows that may wait."""
    wall: Callable[[], float]
    new_id: Callable[[], str]
    kind: Callable[..., EventQueue] = QUEUES[0]

    def open(self, notice: Callable[[], None], drop: Callable[[int], None]) -> EventQueue:
        """Return an empty queue.

        It tells `notice` when there is something to send, and when a batch is full; it tells
        `drop` of so many rows for which there was no room.
        """
        return self.kind(self.subject, self.limit, self.wall, self.new_id, notice, drop)
