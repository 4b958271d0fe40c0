"""What may be reported about a text in place of the text: counts, shares and a language guess.

Measured on every prediction, so it is done in C, in one or two microseconds; where nothing
compiled that, in Python, in ten times as many.
"""

import string
from collections.abc import Callable
from typing import NamedTuple

from textmodels.languages import FunctionWords, guess_language

_ASCII_LETTERS = string.ascii_letters.encode()


class TextMeasures(NamedTuple):
    """One text, measured."""

    characters: int
    """Unicode code points."""
    words: int
    """Pieces between white space, so 1 or so for a text in a script without spaces."""
    non_letter_share: float
    """Share of the characters that are not white space which are not letters; 0 if none."""
    language: str
    """As `languages.guess_language` names it."""


def measure_text(text: str) -> TextMeasures:
    """Measure any text, empty ones and lone surrogates included."""
    return TextMeasures._make(MEASURES[0](text))


def measure_in_python(text: str) -> tuple[int, int, float, str]:
    """Measure as the extension does."""
    words = text.split()
    visible = sum(map(len, words))
    share = 1 - _count_letters(text) / visible if visible else 0.0
    return len(text), len(words), share, guess_language(text)


def _count_letters(text: str) -> int:
    if text.isascii():
        raw = text.encode("ascii")
        return len(raw) - len(raw.translate(None, _ASCII_LETTERS))
    return sum(map(str.isalpha, text))


MEASURES: list[Callable[[str], tuple[int, int, float, str]]] = [measure_in_python]
"""The ways to measure on this host, the fastest first."""
try:
    from textmodels._measures import Measurer
except ImportError:
    pass  # no C compiler when it was installed
else:
    MEASURES.insert(0, Measurer(FunctionWords()).measure)
