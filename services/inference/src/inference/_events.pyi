from collections.abc import Callable, Sequence

from inference.events import Event, Subject
from textmodels.predictions import Answer

class EventQueue:
    def __init__(
        self,
        subject: Subject,
        limit: int,
        wall: Callable[[], float],
        new_id: Callable[[], str],
        notice: Callable[[], None],
        drop: Callable[[int], None],
    ) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def full(self) -> bool: ...
    def add(self, event: Event, /) -> None: ...
    def add_answers(
        self, request_id: str, seconds: float, texts: Sequence[str], answers: Sequence[Answer], /
    ) -> None: ...
    def take(self) -> tuple[bytes, int] | None: ...
