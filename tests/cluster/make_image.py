"""Makes an image of a few files, as an archive that containerd imports, without any image builder.

The image has one layer, a user who is not root, /tmp, and nothing that was not named. The same
files give the same archive, byte for byte.
"""

import argparse
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

USER = 65532
PASSWD = f"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/tmp:/sbin/nologin\n"


def main() -> None:
    """Write the archive that the arguments name."""
    arguments = parse_arguments()
    pairs = [pair.split(":", 1) for pair in arguments.files]
    layer = layer_of([(Path(source), PurePosixPath(place)) for source, place in pairs])
    config = config_of(layer, arguments.entrypoint)
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [arguments.name], "Layers": ["layer.tar"]}]
    with tarfile.open(arguments.archive, "w") as archive:
        add_file(archive, config_name, config)
        add_file(archive, "layer.tar", layer)
        add_file(archive, "manifest.json", json.dumps(manifest).encode())


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make an image archive.")
    parser.add_argument("archive", help="the file to write")
    parser.add_argument("name", help="NAME:TAG")
    parser.add_argument("files", nargs="+", help="SOURCE:PLACE, its absolute path in the image")
    parser.add_argument("--entrypoint", required=True, help="the program's path in the image")
    return parser.parse_args()


def layer_of(files: list[tuple[Path, PurePosixPath]]) -> bytes:
    """Return an uncompressed layer with these files and the folders they are in."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in folders_of(place for _, place in files):
            add_folder(layer, folder, 0o755)
        add_folder(layer, "tmp", 0o1777)
        add_file(layer, "etc/passwd", PASSWD.encode())
        for source, place in files:
            add_file(layer, str(place.relative_to("/")), source.read_bytes(), 0o755)
    return buffer.getvalue()


def folders_of(places: Iterator[PurePosixPath]) -> list[str]:
    """Return every folder above these places and /etc, outer ones first."""
    parents = {str(parent.relative_to("/")) for place in places for parent in place.parents}
    return sorted((parents | {"etc"}) - {"."})


def add_folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    """Add an empty folder of root's."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Add a file of root's."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def config_of(layer: bytes, entrypoint: str) -> bytes:
    """Return the image's configuration, in the form that Docker archives have."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "config": {
            "Entrypoint": [entrypoint],
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "User": f"{USER}:{USER}",
            "WorkingDir": "/",
        },
    }
    return json.dumps(config).encode()


if __name__ == "__main__":
    main()
