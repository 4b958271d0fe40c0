"""What a person or a script reads: tables, JSON, YAML, and progress of long work.

Data goes to standard output, everything else to standard error, so that a pipe gets data only.
Colours and moving lines are for terminals; NO_COLOR is obeyed (rich does it).
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


FormatOption = Annotated[Format, typer.Option("-o", "--output", help="table, json or yaml.")]


@dataclass(frozen=True)
class Table:
    """Rows under named columns; every cell is text already."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def show(document: Any, form: Format, table: Callable[[], Table]) -> None:
    """Print a document as data, or its table for a person."""
    match form:
        case Format.JSON:
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
        case Format.YAML:
            sys.stdout.write(yaml.safe_dump(document, sort_keys=False))
        case Format.TABLE:
            show_table(table())


def show_table(table: Table) -> None:
    """Print a table: drawn on a terminal, aligned words elsewhere."""
    if not sys.stdout.isatty():
        sys.stdout.write(plain_table(table))
        return
    drawn = RichTable(*table.columns, box=box.SIMPLE_HEAD)
    for row in table.rows:
        drawn.add_row(*map(escape, row))
    Console().print(drawn)


def plain_table(table: Table) -> str:
    """Align columns with spaces: what `grep` and `awk` can read."""
    rows = [[column.upper() for column in table.columns], *table.rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table.columns))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def say(text: str) -> None:
    """Tell a person something that is not data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something is at work, and afterwards how long it took."""
    started = time.monotonic()
    if sys.stderr.isatty():
        spinner: AbstractContextManager[object] = Console(stderr=True).status(escape(what))
    else:
        spinner = nullcontext()
        say(f"{what} ...")
    with spinner:
        yield
    say(f"{what}: {time.monotonic() - started:.1f} s")


def short(digest: str | None) -> str:
    """Shorten a digest for a table; JSON and YAML keep it whole."""
    return digest.removeprefix("sha256:")[:12] if digest else "-"
