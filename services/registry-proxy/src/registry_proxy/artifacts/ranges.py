"""Reading a Range header (RFC 9110, section 14): one range of bytes, or none."""

import re

_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeUnsatisfiable(Exception):
    """The range lies outside of the file."""


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return [start, stop) of what is asked for; None means the whole file.

    A header that is no single byte range is ignored, as the RFC allows. Raises
    RangeUnsatisfiable.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise RangeUnsatisfiable(f"the file has {size} bytes")
    return start, stop
