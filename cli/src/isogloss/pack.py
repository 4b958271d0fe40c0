"""Packing an artifact: one file to keep or to carry, the same bytes for the same artifact."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from isogloss.failures import Refused
from isogloss.files import write_whole

_MANIFEST = "manifest.json"


def pack_artifact(artifact: Path, to: Path, digest: str) -> str:
    """Write `artifact` as a tar file and return its sha256; Refused unless the directory holds
    exactly what its manifest names, and the manifest is the one with that digest.
    """
    contents = _verified(artifact)
    if "sha256:" + hashlib.sha256(contents[_MANIFEST]).hexdigest() != digest:
        raise Refused(f"{artifact} is not {digest}, which was judged; train it anew")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(contents):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(contents[name]), 0o644
            archive.addfile(member, io.BytesIO(contents[name]))
    to.parent.mkdir(parents=True, exist_ok=True)
    write_whole(to, packed.getvalue())
    return "sha256:" + hashlib.sha256(packed.getvalue()).hexdigest()


def _verified(artifact: Path) -> dict[str, bytes]:
    try:
        contents = {path.name: path.read_bytes() for path in artifact.iterdir()}
        named = json.loads(contents[_MANIFEST])["files"]
    except (OSError, KeyError, ValueError) as error:
        raise Refused(f"{artifact} holds no artifact ({error!r}); train one first") from error
    for name in sorted(set(contents) ^ {*named, _MANIFEST}):
        raise Refused(f"{artifact}: {name} is not both there and in the manifest; train it anew")
    for name, digest in named.items():
        if "sha256:" + hashlib.sha256(contents[name]).hexdigest() != digest:
            raise Refused(f"{artifact}: {name} is not what the manifest names; train it anew")
    return contents
