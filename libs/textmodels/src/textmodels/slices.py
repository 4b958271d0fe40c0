"""The slices measured on every text. Others (domain, customer) are named by the caller."""

from typing import Literal

LengthSlice = Literal["short", "medium", "long"]

# The project's length slices: about a quarter of film reviews fall in each of the outer two.
SHORT_WORDS_MAX = 128
MEDIUM_WORDS_MAX = 300


def length_slice(words: int) -> LengthSlice:
    """Name the length slice of a text of so many words (as `TextMeasures.words` counts)."""
    if words <= SHORT_WORDS_MAX:
        return "short"
    return "medium" if words <= MEDIUM_WORDS_MAX else "long"
