from collections.abc import Callable, Mapping, Sequence

from textmodels.predictions import Answer

class EventQueue:
    def __init__(
        self,
        opening: bytes,
        key: bytes,
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
    def add(
        self,
        request_id: str,
        time: float,
        outcome: str,
        latency_ms: float,
        slices: Mapping[str, str],
        texts: Sequence[str],
        answers: Sequence[Answer] | None,
        /,
    ) -> None: ...
    def add_answers(
        self, request_id: str, seconds: float, texts: Sequence[str], answers: Sequence[Answer], /
    ) -> None: ...
    def take(self) -> tuple[bytes, int] | None: ...
