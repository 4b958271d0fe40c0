"""Request ids where no gateway gave one: random, as whoever knows one may send feedback on it."""

import os

_BYTES = 16
_DRAWN_AT_ONCE = 256  # a call of the system for each would cost as much as all else about an id


class Ids:
    """Ids of one process; one that is forked draws its own."""

    def __init__(self) -> None:
        self._drawn = b""
        os.register_at_fork(after_in_child=self._forget)

    def new(self) -> str:
        """Return 32 hexadecimal digits that nobody can guess."""
        if not self._drawn:
            self._drawn = os.urandom(_BYTES * _DRAWN_AT_ONCE)
        drawn, self._drawn = self._drawn[:_BYTES], self._drawn[_BYTES:]
        return drawn.hex()

    def _forget(self) -> None:
        self._drawn = b""  # the parent has the same
