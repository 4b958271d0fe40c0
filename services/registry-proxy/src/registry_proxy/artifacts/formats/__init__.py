"""What a file of an artifact holds, read without running anything of it: by content, not by name.

A file is admitted when its bytes are, from first to last, of the format that its suffix names.
Everything else is refused by the file's name, whatever it calls itself. The readers parse
themselves what they judge; the libraries that load models are not imported here.
"""

import mmap
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from registry_proxy.artifacts.formats.json_text import refuse_json
from registry_proxy.artifacts.formats.onnx import refuse_onnx
from registry_proxy.artifacts.formats.refusals import ContentRefused
from registry_proxy.artifacts.formats.safetensors import refuse_safetensors
from registry_proxy.artifacts.formats.skops import refuse_skops
from registry_proxy.artifacts.formats.telltales import telltale

__all__ = ["ALLOWED_SUFFIXES", "Content", "ContentRefused", "refuse_content"]

Content = bytes | mmap.mmap
"""A whole file; a mapped one costs no memory until it is looked at."""

_READERS: Mapping[str, Callable[[Content], None]] = {
    ".json": refuse_json,
    ".onnx": refuse_onnx,
    ".safetensors": refuse_safetensors,
    ".skops": refuse_skops,
}
ALLOWED_SUFFIXES = tuple(sorted(_READERS))
"""Formats that are read without running code from them; the compiled form is a safetensors file."""


def refuse_content(name: str, content: Content) -> None:
    """Raise ContentRefused, naming the file, unless its content is what its suffix says."""
    reader = _READERS.get(PurePosixPath(name).suffix)
    if reader is None:
        allowed = ", ".join(ALLOWED_SUFFIXES)
        raise ContentRefused(f"{name} is of a format that is not admitted ({allowed} are)")
    try:
        reader(content)
    except ContentRefused as refused:
        looks = telltale(content)
        hint = f"; it looks like {looks}" if looks else ""
        raise ContentRefused(f"{name} is refused: {refused}{hint}") from refused
