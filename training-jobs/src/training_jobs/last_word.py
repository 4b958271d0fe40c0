"""What a job leaves for whoever only sees its pod: the result, or why there is none.

Kubernetes shows this file as the container's message, 4096 bytes of it, long after the log is
gone. Outside of Kubernetes there is no such file, and nothing is left.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LARGEST = 4096


def leave_result(file: Path | None, result: Mapping[str, Any]) -> None:
    """Leave a result; one that is too large loses its lists and tables, and says so."""
    text = json.dumps(result, allow_nan=False)
    if len(text.encode()) > _LARGEST:
        plain = {k: v for k, v in result.items() if not isinstance(v, list | dict)}
        text = json.dumps({**plain, "shortened": True})
    leave_words(file, text)


def leave_words(file: Path | None, text: str) -> None:
    """Leave a sentence; the end of one that is too long is cut off."""
    if file is not None:
        file.write_bytes(text.encode()[:_LARGEST])
