"""A git commit proven by its objects: from its id down to the files of one project in it.

A commit's id is the hash of what it says, which names a tree by its hash, and that names trees and
files by theirs. So whoever holds these few objects and a file can tell, without the repository,
that the file is in that commit. The hash is git's: SHA-1, or SHA-256 where ids have 64 digits.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from lifecycle.digests import canonical_json
from lifecycle.documents import DocumentRefused, Fields

FILE_NAME = "commit.json"
"""What a run's copy of the objects is called."""
MOST_BYTES = 4_194_304
"""Of that file: trees name some hundred files in each 10 kB."""
_ID_DIGITS = {40: hashlib.sha1, 64: hashlib.sha256}
_TREE_MODE = b"40000"
_MOST_OBJECTS = 64


@dataclass(frozen=True)
class KeptCommit:
    """A commit and the trees from the repository's root down to `folder` (`.`: the root), and of
    the project's own folders, by their ids.
    """

    id: str
    folder: str
    objects: Mapping[str, bytes]

    def holds(self, path: str, content: bytes) -> bool:
        """Tell whether the project has exactly this file at `path`."""
        place = PurePosixPath(path)
        entries = self._entries(place.parent)
        return entries.get(place.name.encode()) == self._blob(content)

    def holds_in(self, folder: str, content: bytes) -> bool:
        """Tell whether the project has exactly this file in `folder`, under whatever name."""
        return self._blob(content) in self._entries(PurePosixPath(folder)).values()

    def _blob(self, content: bytes) -> str:
        return object_id("blob", content, len(self.id))

    def _entries(self, folder: PurePosixPath) -> Mapping[bytes, str]:
        """Return the files and folders of a folder of the project; none where it is not kept."""
        tree = (
            self.objects[self.id]
            .partition(b"\n")[0]
            .removeprefix(b"tree ")
            .decode("ascii", "replace")
        )
        for part in (PurePosixPath(self.folder) / folder).parts:
            name = part.encode("utf-8", "surrogatepass")
            tree = self._read_tree(tree, folders=True).get(name, "")
        return self._read_tree(tree, folders=False)

    def _read_tree(self, tree: str, *, folders: bool) -> Mapping[bytes, str]:
        entries = _tree_entries(self.objects.get(tree, b""), len(self.id) // 2)
        return {name: found for mode, name, found in entries if (mode == _TREE_MODE) is folders}


def object_id(kind: str, content: bytes, digits: int = 40) -> str:
    """Return the id that git gives an object: a `commit`, a `tree` or a `blob`."""
    return _ID_DIGITS[digits](f"{kind} {len(content)}\0".encode() + content).hexdigest()


def render_commit(folder: str, objects: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the file that a run keeps: objects as (kind, content) of a project at `folder`."""
    kept = [{"kind": k, "content": base64.b64encode(held).decode()} for k, held in objects]
    return canonical_json({"folder": folder, "objects": kept})


def read_commit(document: object, commit: str) -> KeptCommit:
    """Read that file, parsed, as the proof of the commit of that id; raises DocumentRefused."""
    if len(commit) not in _ID_DIGITS:
        raise DocumentRefused(f"{commit!r} is no commit's id; it has 40 or 64 digits")
    fields = Fields(document, FILE_NAME)
    items = [Fields(each, FILE_NAME) for each in fields.items("objects")]
    if len(items) > _MOST_OBJECTS:
        raise DocumentRefused(f"{FILE_NAME} has {len(items)} objects; {_MOST_OBJECTS} are allowed")
    objects = dict(_read_object(each, len(commit)) for each in items)
    kept = KeptCommit(commit, fields.text("folder", "."), objects)
    fields.close()
    if not kept.objects.get(commit, b"").startswith(b"tree "):
        raise DocumentRefused(f"{FILE_NAME} does not hold commit {commit}")
    return kept


def _read_object(fields: Fields, digits: int) -> tuple[str, bytes]:
    kind = fields.choice("kind", {"commit", "tree"})
    try:
        content = base64.b64decode(fields.text("content"), validate=True)
    except ValueError as error:
        raise DocumentRefused(f"{FILE_NAME} has an object that is not base64") from error
    fields.close()
    return object_id(kind, content, digits), content


def _tree_entries(content: bytes, id_bytes: int) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield (mode, name, id) of each entry; a tree that is cut short ends where it is whole."""
    at = 0
    while (end := content.find(b"\0", at)) >= 0 and len(content) > end + id_bytes:
        mode, _, name = content[at:end].partition(b" ")
        at = end + 1 + id_bytes
        yield mode, name, content[end + 1 : at].hex()
