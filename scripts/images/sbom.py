# ruff: noqa: INP001 - a script, not a package
"""Lists what is in an image, as a CycloneDX document: `sbom.py NAME DPKG-STATUS PREFIX...`.

It asks the files themselves, not the pins: the metadata of the distributions installed under each
PREFIX, and Debian's list of the base image's packages. Equal images give equal documents, so there
is no time and no serial number in it. What a component itself depends on is not listed.
"""

import json
import platform
import sys
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote


def main() -> None:
    """Write the document to stdout."""
    name, dpkg_status, *prefixes = sys.argv[1:]
    installed = list(distributions(path=[str(site_packages(prefix)) for prefix in prefixes]))
    (own,) = (found for found in installed if found.name == name)
    components = [
        python_itself(),
        *(python_component(found) for found in installed if found is not own),
        *debian_components(Path(dpkg_status).read_text(encoding="utf-8")),
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": python_component(own) | {"type": "application"}},
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
    }
    json.dump(document, sys.stdout, indent=1)


def site_packages(prefix: str) -> Path:
    """Return where an environment, or an installer's prefix, has its packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(prefix) / "lib" / version / "site-packages"


def python_itself() -> dict[str, Any]:
    """Return the interpreter, which a base image may have built without Debian's knowledge."""
    version = platform.python_version()
    return component("python", version, f"pkg:generic/python@{version}")


def python_component(found: Distribution) -> dict[str, Any]:
    """Return a distribution as its own metadata describes it."""
    purl = f"pkg:pypi/{quote(found.name.lower().replace('_', '-'))}@{quote(found.version)}"
    return component(found.name, found.version, purl) | licence(found.metadata)


def licence(metadata: Any) -> dict[str, Any]:
    """Return what the metadata says in SPDX's words, else in its own, else nothing."""
    if expression := metadata.get("License-Expression"):
        return {"licenses": [{"expression": expression}]}
    said = (metadata.get("License") or "").strip()
    classes = [line for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    # Some put the licence's whole text into the one field, and its name into the other.
    names = [said] if said and "\n" not in said else [line.split(" :: ")[-1] for line in classes]
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def debian_components(status: str) -> Iterator[dict[str, Any]]:
    """Yield Debian's packages out of dpkg's status file."""
    for paragraph in status.strip().split("\n\n"):
        package = HeaderParser().parsestr(paragraph)
        if package["Status"] == "install ok installed":
            yield debian_component(package)


def debian_component(package: Message) -> dict[str, Any]:
    """Return a package of Debian's as dpkg describes it."""
    name, version = package["Package"], package["Version"]
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={package['Architecture']}"
    return component(name, version, purl)


def component(name: str, version: str, purl: str) -> dict[str, Any]:
    """Return a library, referred to by its package URL."""
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }


if __name__ == "__main__":
    main()
