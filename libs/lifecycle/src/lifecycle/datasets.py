"""The rows of a data set as they are known outside of it: by the hash of a text, never its words.

A set's digest is that of its row file, a line `[row id, label index, source]` for each row in its
order. So whoever has that file can compute the digest again, and whoever has a text can tell
whether it is in the set.
"""

import hashlib
import re

from lifecycle.digests import canonical_json

SPEC_NAME, LOCK_NAME = "dataset.yaml", "dataset.lock.json"
"""What a run's copies of a data set's description and lock are called."""
ROWS_FOLDER = "rows"
"""Where a run keeps a row file for each set of the lock."""

_ROW = re.compile(rb'\["[0-9a-f]{64}",(?:-1|[0-9]{1,9}),"(?:[^"\\]|\\.){0,1000}"\]')
_SET_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def row_id(text: str) -> str:
    """Return the 64 hex digits that stand for a text wherever the text must not go."""
    return hashlib.sha256(text.encode()).hexdigest()


def row_line(identity: str, label: int, source: str) -> bytes:
    """Return a row's line in a row file; `label` is its index, -1 for none."""
    return canonical_json([identity, label, source]) + b"\n"


def is_row(line: bytes) -> bool:
    """Tell whether a line without its end is one of a row file."""
    return _ROW.fullmatch(line) is not None


def is_set_name(name: str) -> bool:
    """Tell whether a set may be called that: a row file's name begins with it."""
    return _SET_NAME.fullmatch(name) is not None


def rows_name(name: str) -> str:
    """Return what the row file of the set of that name is called."""
    return f"{name}.jsonl"
