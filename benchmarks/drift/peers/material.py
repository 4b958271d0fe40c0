"""The Windows as other libraries read them: data frames made from the files of a benchmark run."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

FEW = 12
"""Quiet Windows for a rule that takes seconds a Window."""
ALL = 1000
NUMBERS = ("confidence", "length", "unknown_words", "non_letter")
NAMES = ("label", "language", "truncated")
PROJECTION = [f"projection_{place}" for place in range(64)]


class Material:
    """All rows of a run as one frame, the Reference, and the Windows of each stream."""

    def __init__(self, folder: Path) -> None:
        columns = np.load(folder / "columns.npz")
        self._frame = pd.DataFrame({name: columns[name] for name in NUMBERS})
        for name in NAMES:
            self._frame[name] = columns[name].astype(str)
        self._frame["score"] = columns["score"].astype(float)
        self._frame["predicted"] = columns["label"]
        self._frame["truth"] = np.where(columns["right"], columns["label"], 1 - columns["label"])
        self._frame[PROJECTION] = columns["projection"].astype(float)
        self._texts = pd.Series(json.loads((folder / "texts.json").read_text()))
        self._windows = np.load(folder / "windows.npz")

    @property
    def streams(self) -> list[str]:
        """The names of the streams."""
        return [name for name in self._windows.files if name != "reference"]

    def rows_of(self, stream: str) -> int:
        """Return how many rows each of a stream's Windows has."""
        return int(self._windows[stream].shape[1])

    def reference(self, columns: list[str]) -> pd.DataFrame:
        """Return the Reference's rows."""
        return self._rows(self._windows["reference"], columns)

    def windows(self, stream: str, columns: list[str], most: int) -> Iterator[pd.DataFrame]:
        """Yield a stream's Windows."""
        for rows in self._windows[stream][:most]:
            yield self._rows(rows, columns)

    def _rows(self, rows: np.ndarray, columns: list[str]) -> pd.DataFrame:
        if columns == ["text"]:
            return pd.DataFrame({"text": self._texts.to_numpy()[rows]})
        return self._frame[columns].iloc[rows].reset_index(drop=True)


def told(rule: str, fires: dict[str, list[bool]]) -> None:
    """Tell the process that asked in which Windows a rule fires."""
    sys.stdout.write(json.dumps({"rule": rule, "fires": fires}) + "\n")
    sys.stdout.flush()
