"""The protocol's messages, described here and not compiled from a file of somebody else's.

Fields are numbered in the order in which they stand. The descriptors have a pool of their own, so
that a client library in the same process may have its own, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}
_TENSOR = "string name, string datatype, int64* shape"
_PARAMETERS = "InferParameter{} parameters"
_CONTENTS = "InferTensorContents contents"
# `*` is a repeated field, `{}` a map from strings, `|` one of a message's alternatives.
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready",
    "ModelReadyRequest": "string name, string version",
    "ModelReadyResponse": "bool ready",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name, string version, string* extensions",
    "ModelMetadataRequest": "string name, string version",
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "ModelMetadataResponse": "string name, string* versions, string platform, "
    "ModelMetadataResponse.TensorMetadata* inputs, ModelMetadataResponse.TensorMetadata* outputs",
    "InferParameter": "bool| bool_param, int64| int64_param, string| string_param",
    "InferTensorContents": "bool* bool_contents, int32* int_contents, int64* int64_contents, "
    "uint32* uint_contents, uint64* uint64_contents, float* fp32_contents, double* fp64_contents, "
    "bytes* bytes_contents",
    "ModelInferRequest.InferInputTensor": f"{_TENSOR}, {_PARAMETERS}, {_CONTENTS}",
    "ModelInferRequest.InferRequestedOutputTensor": f"string name, {_PARAMETERS}",
    "ModelInferRequest": f"string model_name, string model_version, string id, {_PARAMETERS}, "
    "ModelInferRequest.InferInputTensor* inputs, "
    "ModelInferRequest.InferRequestedOutputTensor* outputs, bytes* raw_input_contents",
    "ModelInferResponse.InferOutputTensor": f"{_TENSOR}, {_PARAMETERS}, {_CONTENTS}",
    "ModelInferResponse": f"string model_name, string model_version, string id, {_PARAMETERS}, "
    "ModelInferResponse.InferOutputTensor* outputs, bytes* raw_output_contents",
}
METHODS = [name.removesuffix("Request") for name in _MESSAGES if name.endswith("Request")]
"""Each takes its Request and answers with its Response."""


def make_messages() -> Mapping[str, Any]:
    """Return the messages' classes by name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="isogloss/inference.proto", package=PACKAGE, syntax="proto3"
    )
    described: dict[str, descriptor_pb2.DescriptorProto] = {}
    for path, fields in _MESSAGES.items():
        outer, _, inner = path.rpartition(".")
        if outer and outer not in described:  # what lies inside a message stands before it
            described[outer] = file.message_type.add(name=outer)
        if path not in described:
            among = described[outer].nested_type if outer else file.message_type
            described[path] = among.add(name=inner)
        _describe(described[path], path, filter(None, fields.split(", ")))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    names = [name for name in _MESSAGES if "." not in name]
    found = {name: pool.FindMessageTypeByName(f"{PACKAGE}.{name}") for name in names}
    return {name: message_factory.GetMessageClass(each) for name, each in found.items()}


def _describe(message: descriptor_pb2.DescriptorProto, path: str, fields: Iterable[str]) -> None:
    for number, field in enumerate(fields, start=1):
        kind, name = field.split(" ")
        plain = kind.rstrip("*{}|")
        added = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        if kind.endswith("{}"):
            plain = f"{path}.{_add_entry(message, plain)}"
        if kind.endswith(("*", "{}")):
            added.label = _Field.LABEL_REPEATED
        if kind.endswith("|"):
            if not message.oneof_decl:
                message.oneof_decl.add(name="parameter_choice")
            added.oneof_index = 0
        _set_type(added, plain)


def _add_entry(message: descriptor_pb2.DescriptorProto, value: str) -> str:
    """Add what a map of `parameters` is on the wire: entries of a key and a value."""
    entry = message.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    for number, (name, kind) in enumerate({"key": "string", "value": value}.items(), start=1):
        _set_type(entry.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL), kind)
    return "ParametersEntry"


def _set_type(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
