"""The one spelling of a request's path, or its refusal.

What is matched is what is forwarded: MLflow never sees the caller's own spelling, so that no
encoding, dot or slash means one thing here and another there.
"""

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

_STILL_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\;?#]")
_LONGEST = 2000


class PathRefused(Exception):
    """A path that could be read in two ways; the text says why."""


def canonical_path(raw: bytes) -> str:
    """Return the decoded path with single slashes and no dot segments; raises PathRefused."""
    if len(raw) > _LONGEST:
        raise PathRefused(f"it has more than {_LONGEST} bytes")
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise PathRefused("it is not UTF-8") from error
    if _STILL_ENCODED.search(text):
        raise PathRefused("it is percent-encoded twice")
    if _FORBIDDEN.search(text) or unicodedata.normalize("NFKC", text) != text:
        raise PathRefused("it has a control character, a backslash, one of ; ? # or a look-alike")
    segments = [segment for segment in text.split("/") if segment not in ("", ".")]
    if ".." in segments:
        raise PathRefused("it has a .. segment")
    return "/" + "/".join(segments)


def encoded(path: str) -> str:
    """Return a canonical path as it goes over the wire."""
    return quote(path)
