"""Which rows belong to which Slice: by length as the inference service measures it, by source."""

from collections.abc import Iterable, Mapping

from textmodels.slices import length_slice
from textmodels.text_measures import measure_text
from training_jobs.dataset.rows import Rows
from training_jobs.dataset.specs import SliceRule
from training_jobs.refusals import JobRefused

ALL = "all"
_MEASURED = frozenset({ALL, "short", "medium", "long"})


def slice_positions(rows: Rows) -> dict[str, list[int]]:
    """Return the positions of each Slice that has rows, `all` first."""
    found: dict[str, list[int]] = {ALL: list(range(len(rows)))}
    for position, (text, source) in enumerate(zip(rows.texts, rows.sources, strict=True)):
        found.setdefault(length_slice(measure_text(text).words), []).append(position)
        found.setdefault(source, []).append(position)
    return found


def slice_sizes(rows: Rows) -> Mapping[str, int]:
    """Return how many rows each Slice has."""
    return {name: len(positions) for name, positions in slice_positions(rows).items()}


def refuse_clashing_names(test: Rows, others: Iterable[str]) -> None:
    """Raise JobRefused when a source of test rows is named like another Slice."""
    clash = set(test.sources) & (_MEASURED | set(others))
    if clash:
        raise JobRefused(
            f"{min(clash)!r} is both a source of test rows and the name of another Slice; "
            "rename the source or the set"
        )


def refuse_other_thresholds(rule: SliceRule) -> None:
    """Raise JobRefused unless the thresholds are those by which traffic is sliced.

    Limits on a Slice say nothing about traffic that is cut elsewhere.
    """
    short, long = rule.short_max_words, rule.long_min_words
    found = [length_slice(words) for words in (short, short + 1, long - 1, long)]
    if found != ["short", "medium", "medium", "long"]:
        raise JobRefused(
            f"dataset.slices has short_max_words {short} and long_min_words {long}, but the "
            f"inference service calls {short} words {found[0]} and {long} words {found[3]}; "
            "write its thresholds (128 and 301)"
        )
