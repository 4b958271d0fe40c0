"""JSON: UTF-8, one value, no NaN, bounded before it is parsed."""

import json
import mmap

from registry_proxy.artifacts.formats.refusals import ContentRefused

_MOST_BYTES = 32 * 1024**2
_MOST_VALUES = 1_500_000
"""Parsed, a value takes up to 100 bytes: 150 MB at the most, for a moment. The largest of ours,
a tokeniser of 120,000 words, has some 500,000.
"""


def refuse_json(content: bytes | mmap.mmap) -> None:
    """Raise ContentRefused unless the content is one JSON value of a bounded size."""
    if len(content) > _MOST_BYTES:
        raise ContentRefused(f"it has {len(content):,} bytes; JSON may have {_MOST_BYTES:,}")
    text = bytes(content)
    values = sum(text.count(mark) for mark in (b",", b"[", b"{"))
    if values > _MOST_VALUES:
        raise ContentRefused(f"it has {values:,} values or more; {_MOST_VALUES:,} are allowed")
    try:
        json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ContentRefused(f"it is not JSON ({error})") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
