"""Evidently's documented ways to find drift at their defaults, on the Windows of a run.

`python evidently_rules.py FOLDER`. The embeddings' method is called without its report, which
would draw a picture of every Window.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics.embeddings import ModelDriftMethod
from evidently.presets import DataDriftPreset
from material import ALL, FEW, NAMES, NUMBERS, PROJECTION, Material, told


def main(folder: Path) -> None:
    """Tell of each rule in which Windows it fires."""
    warnings.simplefilter("ignore")
    material = Material(folder)
    columns = [*NUMBERS, *NAMES]
    defined = DataDefinition(numerical_columns=list(NUMBERS), categorical_columns=list(NAMES))
    reference = Dataset.from_pandas(material.reference(columns), data_definition=defined)
    shares = {
        stream: [
            _drifted(window, reference, defined)
            for window in material.windows(stream, columns, ALL)
        ]
        for stream in material.streams
    }
    told("half of the columns", {s: [share >= 0.5 for share in v] for s, v in shares.items()})
    told("any column", {s: [share > 0 for share in v] for s, v in shares.items()})
    projections = material.reference(PROJECTION)
    method = ModelDriftMethod()
    told(
        "embeddings",
        _until_found(material, PROJECTION, ALL, lambda w: bool(method(w, projections.copy())[1])),
    )
    texts = DataDefinition(text_columns=["text"])
    accepted = Dataset.from_pandas(material.reference(["text"]), data_definition=texts)
    told(
        "texts",
        _until_found(material, ["text"], FEW, lambda w: _drifted(w, accepted, texts) > 0),
    )


def _drifted(window: pd.DataFrame, reference: Dataset, defined: DataDefinition) -> float:
    """Return the share of columns that the preset finds drifted."""
    current = Dataset.from_pandas(window, data_definition=defined)
    snapshot = Report([DataDriftPreset()]).run(current, reference)
    for metric in snapshot.dict()["metrics"]:
        if "DriftedColumnsCount" in str(metric["metric_name"]):
            return float(metric["value"]["share"])
    raise RuntimeError("the preset counts no drifted columns")


def _until_found(
    material: Material, columns: list[str], quiet: int, fires: Callable[[pd.DataFrame], bool]
) -> dict[str, list[bool]]:
    """Ask of all quiet Windows, and of each drift's until it is found."""
    found = {}
    for stream in material.streams:
        answers: list[bool] = []
        for window in material.windows(stream, columns, quiet):
            answers.append(fires(window))
            if answers[-1] and not stream.startswith("quiet"):
                break
        found[stream] = answers
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
