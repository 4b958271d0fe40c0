"""A ModelInfer request becomes the same body as over REST, and the answer becomes a message.

So both are understood, refused and answered alike. Texts are taken as `bytes_contents` or as
`raw_input_contents`, and the answer is given in the same way.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from inference.schemas import InferBody, Labelled, TextRequest, render_infer
from servicekit.problems import Problem

# What some clients write into both: here a raw tensor is one of raw_input_contents.
_OF_REST = frozenset({"binary_data", "binary_data_output", "binary_data_size"})
_LENGTH = struct.Struct("<I")


def read_infer(message: Any) -> InferBody:
    """Return what a request asks; raises Problem, or ValidationError as a body in JSON does."""
    raw = list(message.raw_input_contents)
    if raw and len(raw) != len(message.inputs):
        raise _invalid(f"{len(message.inputs)} inputs, but {len(raw)} raw_input_contents")
    inputs = [
        _named(tensor)
        | {
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
            "data": _texts(split_raw(raw[at]) if raw else iter(tensor.contents.bytes_contents)),
        }
        for at, tensor in enumerate(message.inputs)
    ]
    return InferBody.model_validate(
        {
            "id": message.id or None,
            "parameters": _parameters(message.parameters),
            "inputs": inputs,
            "outputs": [_named(output) for output in message.outputs],
        }
    )


def make_render(messages: Mapping[str, Any]) -> Callable[[TextRequest, Labelled], Any]:
    """Return what renders an answer as a ModelInferResponse."""
    response = messages["ModelInferResponse"]

    def render(asked: TextRequest, labelled: Labelled) -> Any:
        rendered = render_infer(asked, labelled)
        answer = response(
            model_name=labelled.model, model_version=labelled.digest, id=asked.id or ""
        )
        for tensor in rendered["outputs"]:
            added = answer.outputs.add(
                name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"]
            )
            for name, value in tensor.get("parameters", {}).items():
                added.parameters[name].string_param = value
            if tensor["datatype"] == "BYTES":
                added.contents.bytes_contents.extend(text.encode() for text in tensor["data"])
            else:
                added.contents.fp32_contents.extend(tensor["data"])
        return answer

    return render


def split_raw(packed: bytes) -> Iterator[bytes]:
    """Yield the elements of a BYTES tensor: each behind its length, four bytes little-endian."""
    at = 0
    while at < len(packed):
        start = at + _LENGTH.size
        size = _LENGTH.unpack_from(packed, at)[0] if start <= len(packed) else len(packed)
        at = start + size
        if at > len(packed):
            raise _invalid("raw_input_contents ends within an element")
        yield packed[start:at]


def pack_raw(answer: Any) -> Any:
    """Move an answer's contents to where callers look who sent theirs raw."""
    for output in answer.outputs:
        if output.datatype == "BYTES":
            elements = output.contents.bytes_contents
            packed = b"".join(_LENGTH.pack(len(each)) + each for each in elements)
        else:
            numbers = output.contents.fp32_contents
            packed = struct.pack(f"<{len(numbers)}f", *numbers)
        answer.raw_output_contents.append(packed)
        output.ClearField("contents")
    return answer


def _texts(elements: Iterator[bytes]) -> list[str]:
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError as error:
        raise _invalid("a text is not UTF-8") from error


def _named(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "parameters": _parameters(tensor.parameters)}


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {
        name: value.WhichOneof("parameter_choice")
        for name, value in given.items()
        if name not in _OF_REST
    }
    return {name: getattr(given[name], choice) for name, choice in chosen.items() if choice}


def _invalid(detail: str) -> Problem:
    return Problem(422, "invalid-request", "Invalid request", detail)
