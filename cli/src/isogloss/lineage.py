"""From a version to the rows it was learnt from: what stands in the ledger, link by link.

Nothing is decided here: what the registry-proxy proved at registration is told as proven, what it
could only compare with the run's own words as stated.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from isogloss.failures import Refused
from lifecycle.datasets import rows_name
from lifecycle.digests import NO_CONTENT

_PROVEN, _SEEN, _AGREED, _STATED = "bytes", "its pod was seen", "the run agrees", "stated only"
_LOCKED, _ROWS = "its lock", "its rows"


def in_production(state: Any) -> Any:
    """Return the version that stands in PRODUCTION; raises Refused when none does."""
    for version in state["versions"]:
        if version["stage"] == "PRODUCTION":
            return version
    raise Refused(
        f"{state['name']} has no version in PRODUCTION; name one: isogloss models show "
        f"{state['name']} VERSION --lineage"
    )


def walk(version: Any) -> dict[str, Any]:
    """Return the links from a version down to its rows, each with what proves it."""
    said, dataset = version["lineage"], version["metadata"].get("dataset")
    by_file = "its file" if version["metadata"].get("prompt") else _AGREED
    links = [
        _link("version", f"{version['number']} ({version['stage']})", version["digest"], _PROVEN),
        _link("run", said["run_id"], None, _AGREED),
        _commit(said, version["metadata"].get("commit")),
        *_surroundings(said, version["metadata"].get("training", {})),
        _link("prompt", said["prompt_version"], said.get("prompt_digest"), by_file),
    ]
    name = " ".join(filter(None, (said.get("dataset"), said["dataset_version"])))
    kept = version["metadata"].get("made_from", {}).get("dataset")
    proof = _AGREED if not dataset else _ROWS if kept else _LOCKED
    links.append(_link("data set", name, said.get("dataset_digest"), proof))
    return {"version": version["number"], "links": links + _sets_of(dataset, proof)}


def row_file(version: Any, name: str) -> tuple[str, str]:
    """Return under which digest a version's rows are kept, and the file of one set; raises Refused
    where there is none.
    """
    metadata = version["metadata"]
    sets = sorted(metadata.get("dataset", {}).get("sets", ()))
    if name not in sets:
        raise Refused(f"version {version['number']} has no set {name}; it has {', '.join(sets)}")
    if "made_from" not in metadata:
        raise Refused(
            f"version {version['number']} was registered before rows were kept; only their digest "
            "is known"
        )
    return metadata["made_from"]["dataset"], rows_name(name)


def read_rows(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Read a row file: a row's id is the sha256 of its text."""
    rows = enumerate(map(json.loads, lines), 1)
    return [{"row": n, "id": i, "label": label, "source": source} for n, (i, label, source) in rows]


def _commit(said: Any, proven: Any) -> dict[str, Any]:
    if not proven:
        return _link("commit", said["commit"], None, _AGREED)
    differing = ", ".join(proven["differing"])
    proof = f"its objects; not the commit's: {differing}" if differing else "its objects"
    return _link("commit", said["commit"], None, proof)


def _surroundings(said: Any, training: Any) -> Iterator[dict[str, Any]]:
    """Yield what it was trained in: the image, proven or not, and else what was installed."""
    image = training.get("image", NO_CONTENT)
    if image != NO_CONTENT:
        yield _link("training image", f"of pod {training['pod']}", image, _SEEN)
        return
    why = training.get("why", "nobody looked")
    yield _link("training image", f"not verified: {why}", said.get("image"), _STATED)
    if "environment_digest" in said:
        what = "interpreter and packages, without an image"
        yield _link("environment", what, said["environment_digest"], _STATED)


def table_rows(walked: Any) -> list[Sequence[str]]:
    """Return the links as rows of a table."""
    return [
        (each["what"], each["is"] or "-", each["digest"] or "-", each["proof"])
        for each in walked["links"]
    ]


def _sets_of(dataset: Any, proof: str) -> list[dict[str, Any]]:
    if not dataset:
        return []
    sets = [
        _link(f"rows of {name}", f"{each['rows']:,} rows", each["digest"], proof)
        for name, each in sorted(dataset["sets"].items())
    ]
    files = sorted(dataset["sources"].items())
    return sets + [_link("file", name, digest, _LOCKED) for name, digest in files]


def _link(what: str, identity: Any, digest: str | None, proof: str) -> dict[str, Any]:
    return {"what": what, "is": identity, "digest": digest, "proof": proof}
