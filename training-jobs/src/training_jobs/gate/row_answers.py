"""Who answered what to which row, kept beside the Evidence: a row is its id, never its text."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

from training_jobs.gate.cells import SetAnswers
from training_jobs.gate.statements import Occasion


def write_row_answers(
    directory: Path, occasion: Occasion, answers: Mapping[str, SetAnswers], labels: tuple[str, ...]
) -> Path:
    """Write a CSV of set, row id, truth, baseline's and candidate's label; returns its path."""
    moment = datetime.fromtimestamp(occasion.produced_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    version = occasion.subjects.model.removeprefix("sha256:")[:12]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{occasion.model}-{version}-{moment}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["set", "row_id", "truth", "baseline", "candidate"])
        for name, held in answers.items():
            baseline = (
                [""] * len(held.rows) if held.baseline is None else _named(held.baseline, labels)
            )
            columns = (_named(held.rows.labels, labels), baseline, _named(held.candidate, labels))
            table.writerows(zip(repeat(name), held.rows.ids, *columns))
    return path


def _named(indices: Sequence[int], labels: tuple[str, ...]) -> list[str]:
    return [labels[index] for index in indices]
