"""skops: a zip of one schema and plain arrays, whose every node is on our own list.

The list is what the tfidf_linear family writes, and the same as in textmodels (a test holds them
together): a file that says itself what to trust says nothing. Entries are stored, so none can
unfold into more than the file, and named so that none can leave a directory.
"""

import ast
import io
import json
import mmap
import re
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from registry_proxy.artifacts.formats.refusals import ContentRefused

TRUSTED_NODES = frozenset(
    {
        ("DictNode", "builtins.dict"),
        ("JsonNode", "builtins.str"),
        ("ListNode", "builtins.list"),
        ("TupleNode", "builtins.tuple"),
        ("NdArrayNode", "numpy.ndarray"),
        ("TypeNode", "builtins.str"),
        ("TypeNode", "numpy.float32"),
        ("TypeNode", "numpy.float64"),
        ("ObjectNode", "sklearn.pipeline.Pipeline"),
        ("ObjectNode", "sklearn.feature_extraction.text.TfidfVectorizer"),
        ("ObjectNode", "sklearn.feature_extraction.text.TfidfTransformer"),
        ("ObjectNode", "sklearn.linear_model._logistic.LogisticRegression"),
    }
)
"""(skops node, type): all that a file may contain."""

_SCHEMA = "schema.json"
_ARRAY = re.compile(r"[0-9]{1,20}\.npy")
_PLAIN_DTYPE = re.compile(r"[<>|=][biufcU][0-9]{1,5}")
_MOST_ENTRIES = 1000
_MOST_SCHEMA_BYTES = 4 * 1024**2
_MOST_ARRAY_HEADER_BYTES = 4096
_UNREADABLE = (BadZipFile, ValueError, KeyError, NotImplementedError, RecursionError, OSError)


def refuse_skops(content: bytes | mmap.mmap) -> None:
    """Raise ContentRefused unless the content is a skops file of trusted nodes."""
    if content[:4] != b"PK\x03\x04":
        raise ContentRefused("it is not a skops file: it does not begin as a zip archive")
    try:
        with ZipFile(io.BufferedReader(_Opened(content))) as archive:
            _refuse_entries(archive, len(content))
            _refuse_nodes(json.loads(archive.read(_SCHEMA)))
            for entry in archive.infolist():
                if entry.filename != _SCHEMA:
                    _refuse_array(archive, entry.filename)
    except _UNREADABLE as error:
        raise ContentRefused(f"it is not a skops file ({error})") from error


class _Opened(io.RawIOBase):
    """Content as a file to read from, whether it is mapped or not; no copy of it is made."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._content)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, target: Any) -> int:
        chunk = self._content[self._at : self._at + len(target)]
        target[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)


def _refuse_entries(archive: ZipFile, size: int) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(names) > _MOST_ENTRIES or len(set(names)) != len(names):
        raise ContentRefused(f"it has {len(names)} entries: too many, or two of one name")
    for entry in entries:
        if entry.filename != _SCHEMA and not _ARRAY.fullmatch(entry.filename):
            raise ContentRefused(f"it has no place for the entry {entry.filename[:200]!r}")
        if entry.compress_type != ZIP_STORED or entry.flag_bits & 1:
            raise ContentRefused(f"its entry {entry.filename} is compressed or encrypted")
    if sum(entry.file_size for entry in entries) > size:
        raise ContentRefused("its entries overlap")
    if archive.getinfo(_SCHEMA).file_size > _MOST_SCHEMA_BYTES:
        raise ContentRefused(f"its {_SCHEMA} has more than {_MOST_SCHEMA_BYTES:,} bytes")


def _refuse_nodes(schema: Any) -> None:
    if not isinstance(schema, dict) or "__loader__" not in schema:
        raise ContentRefused(f"its {_SCHEMA} describes no object")
    for node in _walk(schema):
        if "__loader__" not in node:
            continue
        kind, name = node["__loader__"], f"{node.get('__module__')}.{node.get('__class__')}"
        if not isinstance(kind, str) or (kind, name) not in TRUSTED_NODES:
            raise ContentRefused(f"it holds the type {name[:200]} ({kind!r}), which is not trusted")


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, dict | list):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from _walk(branch)


def _refuse_array(archive: ZipFile, name: str) -> None:
    """Refuse an array of objects: NumPy keeps those as a pickle."""
    with archive.open(name) as file:
        magic, major = file.read(6), file.read(2)[:1]
        length = int.from_bytes(file.read(2 if major == b"\x01" else 4), "little")
        if magic != b"\x93NUMPY" or length > _MOST_ARRAY_HEADER_BYTES:
            raise ContentRefused(f"its entry {name} is not a NumPy array")
        header = file.read(length)
    try:
        described = ast.literal_eval(header.decode("latin-1").strip())
        dtype = described["descr"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError) as error:
        raise ContentRefused(f"its entry {name} is not a NumPy array ({error})") from error
    if not isinstance(dtype, str) or not _PLAIN_DTYPE.fullmatch(dtype):
        raise ContentRefused(f"its entry {name} is an array of {str(dtype)[:100]}, not of numbers")
