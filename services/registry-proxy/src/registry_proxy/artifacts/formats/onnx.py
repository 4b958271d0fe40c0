"""ONNX: a protobuf message of a model whose every tensor lies within the file.

Walked field by field, as protobuf's encoding and onnx.proto say, without building anything: a
model of a gigabyte is judged in the memory of a page. Refused are tensors that lie in other
files (a path the loader would follow) and operators of domains that need a library of their own.
"""

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from registry_proxy.artifacts.formats.refusals import ContentRefused

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that ONNX Runtime has built in."""
_MOST_FIELDS = 2_000_000
_DEEPEST = 16

# onnx.proto: the fields that lead to tensors and operators, by message.
_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 25, 26})
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_FUNCTIONS = 7, 8, 25
_INSIDE = {
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "opset": {},
    "tensor": {},
}
_NODE_DOMAIN, _OPSET_DOMAIN = 7, 1
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


class _Field(NamedTuple):
    """One field of a message; bytes [start, stop), or a number where it is a varint."""

    number: int
    wire: int
    start: int
    stop: int
    value: int


def refuse_onnx(content: bytes | mmap.mmap) -> None:
    """Raise ContentRefused unless the content is an ONNX model that needs no other file."""
    walk = _Walk(content)
    seen = set()
    for field in walk.fields(0, len(content)):
        if field.number not in _MODEL_FIELDS:
            raise ContentRefused(f"it is not an ONNX model: it has a field {field.number}")
        seen.add(field.number)
        if field.number == _MODEL_GRAPH:
            walk.message("graph", field, 0)
        elif field.number == _MODEL_OPSETS:
            walk.message("opset", field, 0)
        elif field.number == _MODEL_FUNCTIONS:
            walk.message("function", field, 0)
    if not {1, _MODEL_GRAPH, _MODEL_OPSETS} <= seen:
        raise ContentRefused("it is not an ONNX model: it has no version, graph or operator set")


class _Walk:
    """Reads messages of one file and counts their fields."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content = content
        self._left = _MOST_FIELDS

    def message(self, kind: str, at: _Field, depth: int) -> None:
        """Judge one message and those in it."""
        if at.wire != _BYTES or depth > _DEEPEST:
            raise ContentRefused(f"it is not an ONNX model: a {kind} is no message, or too deep")
        for field in self.fields(at.start, at.stop):
            inner = _INSIDE[kind].get(field.number)
            if inner:
                self.message(inner, field, depth + 1)
            elif kind == "tensor":
                _refuse_external(field)
            elif (kind, field.number) in {("node", _NODE_DOMAIN), ("opset", _OPSET_DOMAIN)}:
                self._refuse_domain(field)

    def fields(self, start: int, stop: int) -> Iterator[_Field]:
        """Yield the fields of bytes [start, stop), which they must fill exactly."""
        at = start
        while at < stop:
            self._left -= 1
            key, at = self._varint(at, stop)
            number, wire = key >> 3, key & 7
            begin, value = at, 0
            if wire == _VARINT:
                value, at = self._varint(at, stop)
            elif wire == _BYTES:
                length, begin = self._varint(at, stop)
                at = begin + length
            else:
                at += {_FIXED64: 8, _FIXED32: 4}.get(wire, stop)
            if at > stop or not number or self._left < 0:
                raise ContentRefused("it is not an ONNX model: its fields do not fit their message")
            yield _Field(number, wire, begin, at, value)

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        value = 0
        for place in range(10):
            if at + place >= stop:
                break
            byte = self._content[at + place]
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value, at + place + 1
        raise ContentRefused("it is not an ONNX model: a number in it does not end")

    def _refuse_domain(self, field: _Field) -> None:
        name = self._content[field.start : min(field.stop, field.start + 200)]
        domain = name.decode("utf-8", "replace")
        if domain not in _KNOWN_DOMAINS:
            raise ContentRefused(f"it has operators of {domain!r}, which need a library of its own")


def _refuse_external(field: _Field) -> None:
    if field.number == _TENSOR_EXTERNAL or (field.number == _TENSOR_LOCATION and field.value):
        raise ContentRefused("a tensor of it lies in another file; save the model in one file")
