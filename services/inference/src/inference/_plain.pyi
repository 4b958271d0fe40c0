from collections.abc import Sequence

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
