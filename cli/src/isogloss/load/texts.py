"""The texts that are sent, with their true labels where the file has them."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isogloss.failures import Misused

_TEXT_COLUMNS = ("text", "review")
_LABEL_COLUMNS = ("label", "sentiment")


@dataclass(frozen=True)
class LabelledText:
    """One text; `label` None where it is not known."""

    text: str
    label: str | None


def read_texts(path: Path) -> list[LabelledText]:
    """Read a .parquet, .csv or .jsonl file with a column text (or review) and, where known,
    label (or sentiment); Misused names what is wrong with it.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}
    if path.suffix not in readers:
        raise Misused(f"{path}: the texts must be a .parquet, .csv or .jsonl file")
    try:
        texts = [_labelled(row, path) for row in readers[path.suffix](path)]
    except (OSError, ValueError) as error:
        raise Misused(f"{path} cannot be read: {error}") from error
    if not texts:
        raise Misused(f"{path} holds no text")
    return texts


def _labelled(row: Mapping[str, Any], path: Path) -> LabelledText:
    text = next((row[column] for column in _TEXT_COLUMNS if row.get(column)), None)
    if text is None:
        raise Misused(f"{path} has a row without a column {' or '.join(_TEXT_COLUMNS)}")
    label = next((row[column] for column in _LABEL_COLUMNS if row.get(column)), None)
    return LabelledText(str(text), None if label is None else str(label))


def _parquet(path: Path) -> Iterable[Mapping[str, Any]]:
    from pyarrow import parquet  # noqa: PLC0415 - slow to import, and only this format needs it

    table = parquet.read_table(path)
    kept = [c for c in table.column_names if c in _TEXT_COLUMNS + _LABEL_COLUMNS]
    rows: list[Mapping[str, Any]] = table.select(kept).to_pylist()
    return rows


def _csv(path: Path) -> Iterable[Mapping[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _json_lines(path: Path) -> Iterable[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]
