"""Reads and writes skops files, trusting only what our own Pipeline consists of.

skops by itself trusts every scikit-learn and numpy type. We list the dozen nodes we write, and
refuse any other before skops sees the file. We also store entries uncompressed, so a small
file cannot unfold into a large one, and renumber the ids that skops takes from memory
addresses, so equal models give equal bytes.
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import skops.io

from textmodels.manifests import ArtifactError

# (skops node, type): all that a file of ours may contain.
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

_SCHEMA = "schema.json"
_ARRAY = re.compile(r"[0-9]+\.npy")
_FIRST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_UNREADABLE = (
    BadZipFile,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    OSError,
    MemoryError,
    RecursionError,
)


def dump_trusted(instance: Any) -> bytes:
    """Return the skops file of an object made of trusted nodes only.

    Raises ArtifactError naming a type that this module would not load again.
    """
    with ZipFile(io.BytesIO(skops.io.dumps(instance))) as original:
        entries = {name: original.read(name) for name in original.namelist()}
    schema = json.loads(entries.pop(_SCHEMA))
    _require_trusted(schema, "the model")
    numbers: dict[int, int] = {}
    schema = _renumber(schema, numbers)
    arrays = sorted((numbers[int(name.removesuffix(".npy"))], raw) for name, raw in entries.items())
    target = io.BytesIO()
    with ZipFile(target, "w", ZIP_STORED) as archive:
        archive.writestr(ZipInfo(_SCHEMA, _FIRST_ZIP_DATE), json.dumps(schema))
        for number, raw in arrays:
            archive.writestr(ZipInfo(f"{number}.npy", _FIRST_ZIP_DATE), raw)
    return target.getvalue()


def load_trusted(raw: bytes, file_name: str) -> Any:
    """Return the object of a skops file; ArtifactError naming the file, and an untrusted type."""
    try:
        with ZipFile(io.BytesIO(raw)) as archive:
            _require_plain_entries(archive, len(raw), file_name)
            schema = json.loads(archive.read(_SCHEMA))
        _require_trusted(schema, file_name)
        return skops.io.loads(raw, trusted=[])
    except _UNREADABLE as error:
        raise ArtifactError(f"{file_name}: not a skops file of ours ({error!r})") from error


def _require_plain_entries(archive: ZipFile, size: int, file_name: str) -> None:
    for entry in archive.infolist():
        if entry.filename != _SCHEMA and not _ARRAY.fullmatch(entry.filename):
            raise ArtifactError(f"{file_name}: has no place for the entry {entry.filename!r}")
        if entry.compress_type != ZIP_STORED or entry.flag_bits & 1:
            raise ArtifactError(f"{file_name}: entry {entry.filename} is compressed or encrypted")
    if sum(entry.file_size for entry in archive.infolist()) > size:
        raise ArtifactError(f"{file_name}: its entries overlap")


def _require_trusted(schema: Any, file_name: str) -> None:
    for node in _walk(schema):
        if "__loader__" not in node:
            continue
        kind, name = node["__loader__"], f"{node.get('__module__')}.{node.get('__class__')}"
        if (kind, name) not in TRUSTED_NODES:
            raise ArtifactError(
                f"{file_name}: holds the type {name} ({kind}), which is not trusted"
            )


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object of a tree, the outermost first."""
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, dict | list):
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from _walk(branch)


def _renumber(tree: Any, numbers: dict[int, int]) -> Any:
    """Return the tree with the ids 1, 2, ... in order of appearance; fill {old id: new id}."""
    if isinstance(tree, list):
        return [_renumber(branch, numbers) for branch in tree]
    if not isinstance(tree, dict):
        return tree
    copy = {key: _renumber(branch, numbers) for key, branch in tree.items()}
    if "__id__" in tree:
        number = numbers.setdefault(tree["__id__"], len(numbers) + 1)
        copy["__id__"] = number
        if "file" in tree:
            copy["file"] = f"{number}.npy"
    return copy
