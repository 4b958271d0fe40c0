"""Changing a text as a behavioural test says; the same text is always changed in the same way."""

import random
import re
import string
from collections.abc import Mapping
from typing import assert_never

from lifecycle.behaviour import Edited

_WORD = re.compile(r"\w+")
# Swapping letters of a short word often makes another word.
_SHORTEST_TO_MISSPELL = 5


def edit_text(text: str, edit: Edited) -> str:
    """Return the text after the edit, the same text where there is nothing to change."""
    match edit.kind:
        case "append":
            return text + edit.text
        case "prepend":
            return edit.text + text
        case "drop_case":
            return text.lower()
        case "drop_punctuation":
            return text.rstrip(string.punctuation + string.whitespace)
        case "replace":
            return _replaced(text, edit.words or {})
        case "typo":
            return _misspelt(text)
        case _:
            assert_never(edit.kind)


def _replaced(text: str, words: Mapping[str, str]) -> str:
    return _WORD.sub(lambda found: words.get(found[0], found[0]), text)


def _misspelt(text: str) -> str:
    """Swap two neighbouring letters inside one word."""
    words = [w for w in _WORD.finditer(text) if len(w[0]) >= _SHORTEST_TO_MISSPELL]
    if not words:
        return text
    draw = random.Random(text)  # noqa: S311 - not a secret: the same place every time
    word = draw.choice(words)
    at = draw.randrange(word.start() + 1, word.end() - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
