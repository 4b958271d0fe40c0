"""Reading tables: bytes in, a frame with columns row, text, label and source out.

Everything is read as text and only an empty field is null: a review that says "None" is a
review. `row` counts from 1 after the header. What may be wrong with the rows is `quality`'s.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from training_jobs.dataset.sources import Layout, Source, describe
from training_jobs.dataset.specs import RowSet
from training_jobs.refusals import JobRefused

_TEXT_COLUMNS = ("text", "review")
_LABEL_COLUMNS = ("label", "sentiment")


class TableRefused(JobRefused):
    """Bytes that are no table of texts and labels."""


def read_table(content: bytes, source: Source, *, labelled: bool) -> pd.DataFrame:
    """Read one source's bytes; raises TableRefused."""
    place = describe(source)
    frame = _parse(_decode(content, place), source.layout, place)
    if frame.empty:
        raise TableRefused(f"{place} has no rows; give a file with a header and rows")
    table = pd.DataFrame({"row": range(1, len(frame) + 1)})
    table["text"] = frame[_column(frame, _TEXT_COLUMNS, place)]
    table["label"] = frame[_column(frame, _LABEL_COLUMNS, place)] if labelled else None
    table["source"] = frame["source"].fillna(source.name) if "source" in frame else source.name
    others = [name for name in frame.columns if name not in table]
    return pd.concat([table, frame[others]], axis=1)


def take(tables: Iterable[pd.DataFrame], row_set: RowSet) -> pd.DataFrame:
    """Join tables and keep the set's rows; raises TableRefused when none is left."""
    joined = pd.concat(list(tables), ignore_index=True)
    for column, value in row_set.keep.items():
        if column not in joined:
            raise TableRefused(
                f"set {row_set.name} keeps rows by column {column!r}, which no source has; "
                f"columns are {', '.join(joined.columns)}"
            )
        joined = joined[joined[column] == value]
    if joined.empty:
        raise TableRefused(f"set {row_set.name} keeps no row with {dict(row_set.keep)}")
    return joined.reset_index(drop=True)


def _decode(content: bytes, place: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableRefused(
            f"{place} is not UTF-8: line {line} has byte 0x{content[error.start]:02x}; "
            "save the file as UTF-8"
        ) from error


def _parse(text: str, layout: Layout, place: str) -> pd.DataFrame:
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_values": [""]}
    if layout.columns is not None:
        options |= {"header": None, "names": list(layout.columns), "index_col": False}
    if not layout.quoted:
        options |= {"quoting": 3}
    try:
        return pd.read_csv(io.StringIO(text), sep=layout.separator, **options)
    except pd.errors.EmptyDataError as error:
        raise TableRefused(f"{place} is empty; give a file with a header and rows") from error
    except pd.errors.ParserError as error:
        raise TableRefused(f"{place} is not a table: {str(error).strip()}") from error


def _column(frame: pd.DataFrame, names: Sequence[str], place: str) -> str:
    for name in names:
        if name in frame.columns:
            return name
    raise TableRefused(
        f"{place} has no column {' or '.join(names)}; its columns are {', '.join(frame.columns)}"
    )
