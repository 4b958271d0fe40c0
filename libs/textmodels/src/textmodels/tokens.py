r"""What a word token is, the same for every family.

The rule is scikit-learn's default word analyser (lower case, runs of two or more \w), so a
vocabulary fitted there can be read here without scikit-learn. `verification` compares the two
whenever a model is built.
"""

import re

TOKEN_PATTERN = r"(?u)\b\w\w+\b"  # noqa: S105 - a regular expression, not a secret

_WORD = re.compile(TOKEN_PATTERN)


def tokenise(text: str) -> list[str]:
    """Return the word tokens of a text, in order, in lower case."""
    return _WORD.findall(text.lower())
