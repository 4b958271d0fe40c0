"""NannyML's documented ways to find drift at their defaults, on the Windows of a run.

`python nannyml_rules.py FOLDER`. Chunks are Windows; thresholds come of the Reference's own chunks.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import nannyml
import pandas as pd
from material import ALL, FEW, NAMES, NUMBERS, PROJECTION, Material, told


def main(folder: Path) -> None:
    """Tell of each rule in which Windows it fires."""
    warnings.simplefilter("ignore")
    material = Material(folder)
    columns = [*NUMBERS, *NAMES]
    told("any column", _fires(_univariate, material, columns, ALL))
    told("embeddings", _fires(_reconstruction, material, PROJECTION, ALL))
    answers = ["score", "predicted", "truth"]
    told("estimated accuracy", _fires(_estimated_accuracy, material, answers, ALL))
    told("domain classifier", _fires(_classifier, material, [*NUMBERS, *PROJECTION], FEW))


def _univariate(rows: int) -> nannyml.UnivariateDriftCalculator:
    return nannyml.UnivariateDriftCalculator(
        column_names=[*NUMBERS, *NAMES], treat_as_categorical=list(NAMES), chunk_size=rows
    )


def _reconstruction(rows: int) -> nannyml.DataReconstructionDriftCalculator:
    return nannyml.DataReconstructionDriftCalculator(column_names=PROJECTION, chunk_size=rows)


def _estimated_accuracy(rows: int) -> nannyml.CBPE:
    return nannyml.CBPE(
        metrics=["accuracy"],
        y_pred_proba="score",
        y_pred="predicted",
        y_true="truth",
        problem_type="classification_binary",
        chunk_size=rows,
    )


def _classifier(rows: int) -> nannyml.DomainClassifierCalculator:
    return nannyml.DomainClassifierCalculator(
        feature_column_names=[*NUMBERS, *PROJECTION], chunk_size=rows
    )


def _fires(
    make: Callable[[int], nannyml.CBPE], material: Material, columns: list[str], quiet: int
) -> dict[str, list[bool]]:
    """Fit a rule on the Reference; return by stream which Windows alert, whatever of them does."""
    fitted = {}
    found = {}
    for stream in material.streams:
        size = material.rows_of(stream)
        if size not in fitted:
            fitted[size] = make(size)
            fitted[size].fit(material.reference(columns))
        judge = getattr(fitted[size], "calculate", None) or fitted[size].estimate
        rows = pd.concat(material.windows(stream, columns, quiet), ignore_index=True)
        result = judge(rows).filter(period="analysis").to_df()
        alerts = [name for name in result.columns if "alert" in str(name[-1])]
        found[stream] = result[alerts].astype(bool).any(axis=1).tolist()
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
