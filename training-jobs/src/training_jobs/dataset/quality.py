"""The checks of `dataset.yaml` on rows as they were read.

A row is shown by its number and the start of its text's sha256, never by its text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lifecycle.datasets import row_id
from lifecycle.verdicts import Outcome
from training_jobs.dataset.rows import NO_LABEL, Rows
from training_jobs.dataset.specs import DatasetSpec, RowSet

_EXAMPLES = 5


@dataclass(frozen=True)
class CheckResult:
    """What one check found: PASS or FAIL, in a sentence, with some of the rows at fault."""

    name: str
    outcome: Outcome
    text: str
    rows: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "text": self.text,
            "rows": list(self.rows),
        }


def judge(name: str, text: str, *, kept: bool, faults: pd.DataFrame | None = None) -> CheckResult:
    """Make a result; the rows at fault are shown only when the check failed."""
    if kept:
        return CheckResult(name, Outcome.PASS, text)
    shown = () if faults is None else tuple(_shown(faults.head(_EXAMPLES)))
    return CheckResult(name, Outcome.FAIL, text, shown)


def check_main(frame: pd.DataFrame, spec: DatasetSpec) -> list[CheckResult]:
    """Run every check of the main set."""
    limits = spec.quality
    kept = frame[frame["text"].notna()]
    same = kept.duplicated("text", keep="first")
    duplicate_pct = 100 * float(same.sum()) / len(frame)
    return [
        judge(
            "min_rows",
            f"{len(kept):,} rows with a text, at least {limits.min_rows:,} are needed",
            kept=len(kept) >= limits.min_rows,
        ),
        _check_nulls(frame, limits.max_null_text_pct),
        *check_set(frame, spec, spec.main),
        judge(
            "max_duplicate_pct",
            f"{duplicate_pct:.2f} % of the rows repeat a text, "
            f"at most {limits.max_duplicate_pct:g} % may",
            kept=duplicate_pct <= limits.max_duplicate_pct,
            faults=kept[same],
        ),
        _check_conflicts(kept, spec.labels, limits.max_conflicting_labels),
        _check_balance(kept, spec, limits.min_label_pct),
    ]


def check_set(frame: pd.DataFrame, spec: DatasetSpec, row_set: RowSet) -> list[CheckResult]:
    """Run the checks that hold for every set: known labels, texts that can be served."""
    longest = spec.quality.max_text_characters
    too_long = frame[frame["text"].str.len() > longest]
    results = [
        judge(
            f"max_text_characters of {row_set.name}",
            f"{len(too_long):,} texts are over {longest:,} characters",
            kept=too_long.empty,
            faults=too_long,
        )
    ]
    if row_set.labelled:
        unknown = frame[_names(frame["label"], spec.labels).isna()]
        known = ", ".join(dict.fromkeys([*spec.labels, *spec.label_names]))
        text = f"{len(unknown):,} rows have another label than {known}"
        results.append(
            judge(f"label of {row_set.name}", text, kept=unknown.empty, faults=unknown),
        )
    return results


def clean(frame: pd.DataFrame, spec: DatasetSpec, row_set: RowSet) -> Rows:
    """Turn checked rows into `Rows`: those without a text dropped, then identical texts."""
    kept = frame[frame["text"].notna()].drop_duplicates("text", keep="first")
    index = {name: position for position, name in enumerate(spec.label_names)}
    names = _names(kept["label"], spec.labels)
    labels = names.map(index) if row_set.labelled else [NO_LABEL] * len(kept)
    return Rows(tuple(kept["text"]), tuple(map(int, labels)), tuple(kept["source"]))


def _names(written: pd.Series, labels: Mapping[str, str]) -> pd.Series:
    by_name = {name: name for name in labels.values()}
    return written.str.strip().map({**by_name, **labels}) if written.notna().any() else written


def _check_nulls(frame: pd.DataFrame, limit: float) -> CheckResult:
    nulls = frame[frame["text"].isna()]
    share = 100 * len(nulls) / len(frame)
    text = f"{share:.2f} % of the rows have no text, at most {limit:g} % may"
    return judge("max_null_text_pct", text, kept=share <= limit, faults=nulls)


def _check_conflicts(frame: pd.DataFrame, labels: Mapping[str, str], limit: int) -> CheckResult:
    names = _names(frame["label"], labels)
    several = names.groupby(frame["text"]).transform("nunique") > 1
    conflicting = frame[several]
    count = conflicting["text"].nunique()
    text = f"{count:,} texts carry different labels, at most {limit:,} may"
    return judge("max_conflicting_labels", text, kept=count <= limit, faults=conflicting)


def _check_balance(frame: pd.DataFrame, spec: DatasetSpec, limit: float) -> CheckResult:
    names = _names(frame["label"], spec.labels)
    shares = {name: 100 * float((names == name).mean()) for name in spec.label_names}
    rarest = min(shares, key=lambda name: shares[name])
    text = f"{rarest} is {shares[rarest]:.1f} % of the rows, at least {limit:g} % is needed"
    return judge("min_label_pct", text, kept=shares[rarest] >= limit)


def _shown(frame: pd.DataFrame) -> Iterable[str]:
    for row, text, source in zip(frame["row"], frame["text"], frame["source"], strict=True):
        told = f"sha256 {row_id(text)[:12]}" if isinstance(text, str) else "no text"
        yield f"row {row} of {source} ({told})"
