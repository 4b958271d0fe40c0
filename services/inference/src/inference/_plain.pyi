from collections.abc import Callable, Sequence
from typing import Any

from textmodels.predictions import Answer

class Recogniser:
    def __init__(
        self,
        paths: Sequence[bytes],
        kept: Sequence[bytes],
        refused: Sequence[bytes],
        head_limit: int,
        body_limit: int,
    ) -> None: ...
    def recognise(
        self, packet: bytes, start: int, /
    ) -> tuple[int, dict[bytes, bytes], bytes, int] | None: ...

class Teller:
    def __init__(
        self,
        recogniser: Recogniser,
        decode: Callable[[bytes], Any],
        answer: Callable[[Sequence[str]], list[Answer]],
        encode: Callable[[Any], bytes],
        report: Callable[[str, float, Sequence[str], Sequence[Answer]], None] | None,
        new_id: Callable[[], str],
        steady: Callable[[], float],
        labels: tuple[str, ...],
        digest: bytes,
        longest: int,
        cells: memoryview[float],
        places: tuple[int, ...],
        edges: tuple[float, ...],
    ) -> None: ...
    def tell(self, packet: bytes, start: int, opening: bytes, /) -> tuple[bytes, int] | None: ...
