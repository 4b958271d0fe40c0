"""Finds requests so plain that no parser is needed: in C, or not at all where nothing compiled it.

What is found, HTTP's parser would read in the same way (`native/heads.h` says what is plain). All
else is its to read, and where there is no C compiler so is everything.
"""

from collections.abc import Callable
from typing import Any, Protocol

from inference.dialects import NOT_PLAIN_JSON

NEEDS_THE_APP = frozenset((b"expect", b"transfer-encoding", b"upgrade", *NOT_PLAIN_JSON))
"""Headers that only the app answers to."""

Plain = tuple[int, dict[bytes, bytes], bytes, int]
"""A request: which of the paths, the kept headers it has, its body, where it ends."""


class Recogniser(Protocol):
    """Finds POSTs to a few paths."""

    def recognise(self, packet: bytes, start: int, /) -> Plain | None:
        """Return the plain request that begins at `start` and is whole; None: there is none."""
        ...


class Blind:
    """Finds none."""

    def __init__(self, *_: object) -> None:
        """Take what the extension takes."""

    def recognise(self, _packet: bytes, _start: int, /) -> None:
        """Return None."""


Tell = Callable[[bytes, int, bytes], tuple[bytes, int] | None]
"""Answers the request at a place of a packet, and says where it ends; None: it is not usual."""

RECOGNISERS: list[Callable[..., Recogniser]] = [Blind]
"""The ways to find plain requests on this host, the best first."""
_TELLERS: dict[type, Callable[..., Any]] = {}
"""What answers the usual ones among those that were found."""
try:
    from inference._plain import Recogniser as CRecogniser
    from inference._plain import Teller
except ImportError:
    pass  # no C compiler when it was installed
else:
    RECOGNISERS.insert(0, CRecogniser)
    _TELLERS[CRecogniser] = Teller


def begin_telling(recogniser: Recogniser, *parts: Any) -> Tell:
    """Return what answers usual requests without Python, made of `_plain.Teller`'s other parts."""
    teller = _TELLERS.get(type(recogniser))
    if teller is None:
        return _tell_nothing
    tell: Tell = teller(recogniser, *parts).tell
    return tell


def _tell_nothing(_packet: bytes, _start: int, _opening: bytes) -> None:
    """Leave it to Python."""
