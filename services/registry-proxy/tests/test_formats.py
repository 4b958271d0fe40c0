"""What is let in by content: every format's right form, and what only calls itself so."""

import gzip
import io
import json
import mmap
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
from safetensors.numpy import save

from registry_proxy.artifacts.formats import ContentRefused, refuse_content
from registry_proxy.artifacts.formats.skops import TRUSTED_NODES
from textmodels.families.tfidf_linear import skops_files


class Exploding:
    def __reduce__(self):
        return (print, ("loaded",))


def safetensors(header, body=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + body


def tensor(dtype="U8", shape=(2,), offsets=(0, 2)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def onnx(graph=b"", domain=""):
    return number(1, 9) + message(7, graph) + message(8, message(1, domain) + number(2, 17))


def tensor_in_graph(*fields):
    return onnx(message(5, b"".join(fields)))


INITIALISER = number(1, 2) + number(2, 1) + message(8, "w") + message(9, b"\0" * 8)


@pytest.fixture(scope="module")
def admitted(make):
    arrays = {"a": np.ones((2, 3), np.float32), "b": np.zeros(0, np.int64)}
    return {
        "scorer.safetensors": save(arrays, {"made": "here"}),
        "none.safetensors": save({}),
        "model.skops": make.a_skops(),
        "words.json": b'{"good": [1, 2.5, null]}',
        "model.onnx": tensor_in_graph(INITIALISER),
        "other.onnx": onnx(message(1, message(4, "MatMul") + message(7, "com.microsoft"))),
    }


@pytest.mark.parametrize(
    "name",
    [
        "scorer.safetensors",
        "none.safetensors",
        "model.skops",
        "words.json",
        "model.onnx",
        "other.onnx",
    ],
)
def test_what_a_family_writes_is_admitted(admitted, name):
    refuse_content(name, admitted[name])
    with mmap.mmap(-1, len(admitted[name])) as mapped:
        mapped.write(admitted[name])
        refuse_content(name, mapped)


@pytest.mark.parametrize("suffix", [".skops", ".safetensors", ".onnx", ".json"])
@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (pickle.dumps(Exploding(), protocol=2), "a pickle"),
        (pickle.dumps(Exploding(), protocol=5), "a pickle"),
        (pickle.dumps([1], protocol=0), "a pickle"),
        (zlib.compress(pickle.dumps(Exploding())), "perhaps a joblib file"),
        (gzip.compress(pickle.dumps(Exploding())), "perhaps a joblib file"),
        (b"ZF0x10" + b"0" * 30, "a joblib file"),
        (b"\x89HDF\r\n\x1a\n" + b"0" * 30, "an HDF5 file"),
        (b"\x7fELF" + b"0" * 30, "a program"),
        (b"#!/bin/sh\nreboot\n", "a script"),
        (b"", "an empty file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pickle_or_program_is_refused_whatever_its_name(suffix, content, looks):
    with pytest.raises(ContentRefused, match=looks) as refused:
        refuse_content(f"model{suffix}", content)

    assert str(refused.value).startswith(f"model{suffix} is refused")


@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.pt", "m.bin", "m", "m.json.sh", "m.h5"])
def test_a_suffix_that_is_not_on_the_list_is_refused(name):
    with pytest.raises(ContentRefused, match=f"{name} is of a format that is not admitted"):
        refuse_content(name, b"{}")


@pytest.mark.parametrize("made", ["scorer.safetensors", "model.skops", "model.onnx"])
def test_every_cut_of_a_file_is_refused(admitted, made):
    whole = admitted[made]
    for length in range(len(whole)):
        with pytest.raises(ContentRefused):
            refuse_content(made, whole[:length])


@pytest.mark.parametrize("one", ["scorer.safetensors", "model.skops", "model.onnx", "words.json"])
@pytest.mark.parametrize("other", [".safetensors", ".skops", ".onnx", ".json"])
def test_a_file_under_another_formats_name_is_refused(admitted, one, other):
    if not one.endswith(other):
        with pytest.raises(ContentRefused):
            refuse_content(f"x{other}", admitted[one])


SAFETENSORS = {
    "no header": safetensors(b"[]"),
    "huge header": safetensors(b"{}", length=2**40),
    "longer than the file": safetensors(b"{}", length=100),
    "a gap": safetensors({"a": tensor(offsets=(1, 3))}, b"123"),
    "an overlap": safetensors({"a": tensor(), "b": tensor(offsets=(1, 3))}, b"123"),
    "a tail": safetensors({"a": tensor()}, b"12" + pickle.dumps(Exploding())),
    "too short": safetensors({"a": tensor(shape=(9,), offsets=(0, 9))}, b"12"),
    "a shape of more": safetensors({"a": tensor(shape=(3,))}, b"12"),
    "negative": safetensors({"a": tensor(offsets=(-2, 0))}, b""),
    "a dtype of none": safetensors({"a": tensor(dtype="OBJECT")}, b"12"),
    "a dtype that is no text": safetensors({"a": tensor(dtype=["U8"])}, b"12"),
    "a field more": safetensors({"a": {**tensor(), "code": "x"}}, b"12"),
    "a name twice": safetensors(b'{"a":%s,"a":%s}' % ((json.dumps(tensor()).encode(),) * 2), b"12"),
    "metadata that is no text": safetensors({"__metadata__": {"a": 1}}),
    "deep": safetensors(b"{" + b'"a":{' * 9000),
    "shapes without end": safetensors({"a": tensor(shape=(2**47,) * 33)}, b"12"),
}


@pytest.mark.parametrize("content", SAFETENSORS.values(), ids=SAFETENSORS)
def test_a_wrong_safetensors_file_is_refused(content):
    with pytest.raises(ContentRefused, match=r"m\.safetensors is refused"):
        refuse_content("m.safetensors", content)


ONNX = {
    "a tensor elsewhere": tensor_in_graph(INITIALISER, number(14, 1)),
    "a path": tensor_in_graph(INITIALISER, message(13, message(1, "location"))),
    "in an attribute": onnx(message(1, message(5, message(5, number(14, 1))))),
    "in a graph of an attribute": onnx(
        message(1, message(5, message(6, message(5, number(14, 1)))))
    ),
    "in a sparse tensor": onnx(message(15, message(1, number(14, 1)))),
    "in a function": onnx() + message(25, message(7, message(5, message(5, number(14, 1))))),
    "an operator of its own": onnx(message(1, message(7, "evil.ops"))),
    "operators of its own": onnx(domain="evil.ops"),
    "no graph": number(1, 9) + message(8, b""),
    "training": onnx() + message(20, b""),
    "a field of none": onnx() + message(99, b"x"),
    "a group": onnx() + varint(1 << 3 | 3),
    "a number without end": b"\xff" * 20,
    "a graph that is a number": number(1, 9) + number(7, 1) + message(8, b""),
    "turtles": onnx(message(1, b"")),
}
turtle = message(5, number(14, 0))
for _ in range(40):
    turtle = message(1, message(5, message(6, turtle)))
ONNX["turtles"] = onnx(turtle)


@pytest.mark.parametrize("content", ONNX.values(), ids=ONNX)
def test_a_wrong_onnx_file_is_refused(content):
    with pytest.raises(ContentRefused, match=r"m\.onnx is refused"):
        refuse_content("m.onnx", content)


def test_a_skops_node_that_is_not_ours_is_refused(make):
    for node in [
        ("ObjectNode", "os", "system"),
        ("MethodNode", "builtins", "eval"),
        ("FunctionNode", "numpy", "load"),
        (["ObjectNode"], "a", "b"),
    ]:
        with pytest.raises(ContentRefused, match="which is not trusted"):
            refuse_content("m.skops", make.a_skops(node=node))


def test_our_list_of_skops_nodes_is_the_familys():
    assert TRUSTED_NODES == skops_files.TRUSTED_NODES


def test_an_array_of_objects_is_refused(make):
    target = io.BytesIO()
    np.save(target, np.array([Exploding()], object), allow_pickle=True)
    schema = make.a_zip({"schema.json": b'{"__loader__": "ListNode"}'})
    assert schema
    for array in (target.getvalue(), b"no array", pickle.dumps(1)):
        entries = {"schema.json": json.dumps(LIST).encode(), "1.npy": array}
        with pytest.raises(ContentRefused, match=r"1\.npy is"):
            refuse_content("m.skops", make.a_zip(entries))


LIST = {"__loader__": "ListNode", "__module__": "builtins", "__class__": "list"}


@pytest.mark.parametrize(
    "entry",
    [
        "../../etc/cron.d/x",
        "/etc/passwd",
        "..\\x.npy",
        "C:\\x",
        "a/1.npy",
        "x.pkl",
        "1.npy/..",
        ".",
    ],
)
def test_an_entry_that_leaves_the_archive_is_refused(make, entry):
    entries = {"schema.json": json.dumps(LIST).encode(), entry: b"x"}

    with pytest.raises(ContentRefused, match="has no place for the entry"):
        refuse_content("m.skops", make.a_zip(entries))


def test_a_zip_bomb_is_refused_before_it_unfolds(make):
    bomb = make.a_zip(
        {"schema.json": json.dumps(LIST).encode(), "1.npy": b"\0" * 50_000_000},
        zipfile.ZIP_DEFLATED,
    )
    assert len(bomb) < 100_000

    with pytest.raises(ContentRefused, match="is compressed"):
        refuse_content("m.skops", bomb)


def test_a_schema_too_large_or_entries_that_overlap_are_refused(make):
    large = {"schema.json": b" " * 5_000_000}
    with pytest.raises(ContentRefused, match="more than 4,194,304 bytes"):
        refuse_content("m.skops", make.a_zip(large))
    honest = make.a_zip({"schema.json": json.dumps(LIST).encode(), "1.npy": b"x" * 20})
    claimed = honest.replace(struct.pack("<II", 20, 20), struct.pack("<II", 2**31, 2**31))
    with pytest.raises(ContentRefused, match="overlap"):
        refuse_content("m.skops", claimed)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"\xff\xfe{}",
        b"NaN",
        b'{"a": Infinity}',
        b"[" * 100_000,
        b"1 2",
        b"{} " + pickle.dumps(Exploding()),
        b"[" + b"0," * 1_600_000 + b"0]",
        b'"' + b"x" * 34_000_000 + b'"',
    ],
    ids=["open", "utf-16", "NaN", "infinite", "deep", "two", "a tail", "many values", "large"],
)
def test_what_is_no_json_or_too_much_is_refused(content):
    with pytest.raises(ContentRefused, match=r"m\.json is refused"):
        refuse_content("m.json", content)
