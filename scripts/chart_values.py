# ruff: noqa: INP001 - a script, not a package
"""Writes a chart's values.schema.json and README's table from values.yaml: `make render`.

values.yaml is the truth. Above a value, `# -- TEXT` describes it and `# @schema {...}` (YAML) adds
to what its default says of its type. Every mapping is closed: an unknown key is refused by name,
as a limit that was misspelt must not be lost. With --check nothing is written; what is stale is
named.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
CHARTS = (ROOT / "charts/isogloss", ROOT / "charts/isogloss-crds")
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
_AMOUNTS = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"]},
}
DEFINITIONS: dict[str, Any] = {
    "strings": {"type": "object", "additionalProperties": {"type": "string"}},
    "words": {"type": "array", "items": {"type": "string", "minLength": 1}},
    "ports": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
    "free": {"type": "object"},
    "objects": {"type": "array", "items": {"type": "object"}},
    "references": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string", "minLength": 1}},
        },
    },
    "environment": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "value": {"type": "string"},
                "valueFrom": {"type": "object"},
            },
        },
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": _AMOUNTS, "limits": _AMOUNTS},
    },
}
"""What `# @schema {$ref: "#/$defs/NAME"}` may name."""


class Value(NamedTuple):
    """One value: its path of keys, its node, and what the comments above it say."""

    path: tuple[str, ...]
    node: yaml.Node
    description: str
    hint: dict[str, Any]


def main() -> None:
    """Write, or with --check compare."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="write nothing, name what is stale")
    check = options.parse_args().check
    stale = []
    for chart in CHARTS:
        for path, text in files_of(chart).items():
            if path.read_text(encoding="utf-8") != text if path.exists() else True:
                stale.append(str(path.relative_to(ROOT)))
                if not check:
                    path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)} no longer fits values.yaml: run make render")


def files_of(chart: Path) -> dict[Path, str]:
    """Return what a chart's schema and README must hold."""
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    comments = _comments(text)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(root, comments)}
    # Helm adds `global` to the values of every chart.
    schema["properties"]["global"] = {"type": "object"}
    described = json.dumps(schema)
    used = {name: one for name, one in DEFINITIONS.items() if f'"#/$defs/{name}"' in described}
    if used:
        schema["$defs"] = used
    readme = chart / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    table = "\n".join(_table(root, comments))
    return {
        chart / "values.schema.json": json.dumps(schema, indent=2) + "\n",
        readme: f"{before}{BEGIN}\n{table}\n{END}{after}",
    }


def _comments(text: str) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return description and hint by the number of the line that follows them."""
    found = {}
    description, hint = "", {}
    for number, line in enumerate(text.splitlines()):
        stripped = line.strip()
        if stripped.startswith("# -- "):
            description = stripped.removeprefix("# -- ")
        elif stripped.startswith("# @schema "):
            hint = yaml.safe_load(stripped.removeprefix("# @schema "))
        else:
            found[number] = (description, hint)
            description, hint = "", {}
    return found


def _children(
    node: yaml.MappingNode,
    path: tuple[str, ...],
    comments: dict[int, tuple[str, dict[str, Any]]],
) -> Iterator[Value]:
    for key, child in node.value:
        description, hint = comments[key.start_mark.line]
        yield Value((*path, key.value), child, description, hint)


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _is_section(value: Value) -> bool:
    return isinstance(value.node, yaml.MappingNode) and not value.hint and bool(value.node.value)


def _schema(node: yaml.Node, comments: dict[int, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    properties = {}
    for value in _children(node, (), comments):
        if _is_section(value):
            properties[value.path[-1]] = _schema(value.node, comments)
        else:
            properties[value.path[-1]] = _leaf(value)
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _leaf(value: Value) -> dict[str, Any]:
    described = {"description": value.description}
    if "$ref" in value.hint:
        return {**described, **value.hint}
    default = _plain(value.node)
    kind = TYPES.get(type(default))
    if kind is None:
        sys.exit(f"{'.'.join(value.path)} is a free mapping: say its $ref with # @schema")
    items = {"items": {"type": "string"}} if kind == "array" else {}
    return {**described, "type": kind, **items, **value.hint}


def _table(root: yaml.Node, comments: dict[int, tuple[str, dict[str, Any]]]) -> Iterator[str]:
    yield "| value | default | what |"
    yield "|---|---|---|"
    for value in _leaves(root, (), comments):
        if not value.description:
            sys.exit(f"{'.'.join(value.path)} has no description: say it with # --")
        default = json.dumps(_plain(value.node))
        what = value.description.replace("|", "\\|")
        yield f"| `{'.'.join(value.path)}` | `{default}` | {what} |"


def _leaves(
    node: yaml.Node,
    path: tuple[str, ...],
    comments: dict[int, tuple[str, dict[str, Any]]],
) -> Iterator[Value]:
    for value in _children(node, path, comments):
        if _is_section(value):
            yield from _leaves(value.node, value.path, comments)
        else:
            yield value


if __name__ == "__main__":
    main()
