"""safetensors: a length, a JSON header, and tensors that fill the rest without gap or overlap.

The layout is that of the format's own documentation; holes are refused, since bytes that no
tensor names could hold anything.
"""

import json
import math
import mmap
from collections.abc import Mapping
from typing import Any

from registry_proxy.artifacts.formats.refusals import ContentRefused

_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 8 * 1024**2
"""Some 50,000 tensors; the format itself allows 100 MB."""
_DTYPE_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_FIELDS = {"dtype", "shape", "data_offsets"}


def refuse_safetensors(content: bytes | mmap.mmap) -> None:
    """Raise ContentRefused unless the content is one whole safetensors file."""
    header, start = _header(content)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ContentRefused("its __metadata__ is not an object of texts")
    spans = sorted(_span(name, tensor) for name, tensor in header.items())
    end = 0
    for begin, stop in spans:
        if begin != end:
            raise ContentRefused(f"its tensors leave a gap or overlap at byte {end}")
        end = stop
    if end != len(content) - start:
        raise ContentRefused(f"its tensors end at byte {end} of {len(content) - start}")


def _header(content: bytes | mmap.mmap) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if len(content) < _LENGTH_BYTES or not 2 <= length <= _MOST_HEADER_BYTES:
        raise ContentRefused("it is not a safetensors file: its header has no plausible length")
    if start > len(content) or content[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        raise ContentRefused("it is not a safetensors file: its header is no JSON object")
    try:
        header = json.loads(content[_LENGTH_BYTES:start].decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ContentRefused(f"its header is not JSON ({error})") from error
    return header, start


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _span(name: str, tensor: Any) -> tuple[int, int]:
    """Return [begin, stop) of a tensor's bytes, which its shape must account for."""
    if not isinstance(tensor, Mapping) or tensor.keys() != _FIELDS:
        raise ContentRefused(f"its tensor {name!r} has not exactly dtype, shape and data_offsets")
    shape, offsets = tensor["shape"], tensor["data_offsets"]
    width = _DTYPE_BYTES.get(tensor["dtype"]) if isinstance(tensor["dtype"], str) else None
    if width is None or not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise ContentRefused(f"its tensor {name!r} has a dtype, shape or place that is none")
    begin, stop = offsets
    if stop - begin != width * math.prod(shape):
        raise ContentRefused(f"its tensor {name!r} has not the bytes that its shape needs")
    return begin, stop


def _are_sizes(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= 32
        and all(type(value) is int and 0 <= value < 2**48 for value in values)
    )
