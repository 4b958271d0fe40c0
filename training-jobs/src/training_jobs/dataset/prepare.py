"""Preparing a data set: read, check, clean, split, compare with the pins, write.

Every check runs before anything is written; with one FAIL nothing is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lifecycle.digests import sha256_digest
from lifecycle.verdicts import Outcome
from training_jobs.dataset.prepared import (
    FORM,
    TEST,
    TRAIN,
    Lock,
    dataset_digest,
    directory_of,
    write_prepared,
)
from training_jobs.dataset.quality import CheckResult, check_main, check_set, clean, judge
from training_jobs.dataset.rows import Rows
from training_jobs.dataset.slices import refuse_clashing_names, refuse_other_thresholds, slice_sizes
from training_jobs.dataset.sources import Source
from training_jobs.dataset.specs import DatasetSpec
from training_jobs.dataset.splits import split
from training_jobs.dataset.tables import TableRefused, read_table, take
from training_jobs.progress import Tell

ReadSource = Callable[[Source], bytes]


@dataclass(frozen=True)
class Preparation:
    """What preparing found. `lock` is None when a check failed and nothing was written."""

    checks: tuple[CheckResult, ...]
    directory: Path
    lock: Lock | None


@dataclass(frozen=True)
class _Loaded:
    frames: Mapping[str, pd.DataFrame]
    source_digests: Mapping[str, str]


@dataclass(frozen=True)
class _Built:
    sets: Mapping[str, Rows]
    counts: Mapping[str, int]


def outcome_of(checks: Sequence[CheckResult]) -> Outcome:
    """Return FAIL when any check failed, else PASS."""
    failed = any(check.outcome is Outcome.FAIL for check in checks)
    return Outcome.FAIL if failed else Outcome.PASS


def check_table(spec: DatasetSpec, content: bytes, source: Source) -> tuple[CheckResult, ...]:
    """Check the bytes of one table against the main set's schema and limits."""
    try:
        return tuple(check_main(read_table(content, source, labelled=True), spec))
    except TableRefused as refused:
        return (judge("readable", str(refused), kept=False),)


def prepare(spec: DatasetSpec, data: Path, read: ReadSource, tell: Tell) -> Preparation:
    """Prepare `spec` under `data`; JobRefused when its version is locked with other rows."""
    refuse_other_thresholds(spec.slices)
    directory = directory_of(data, spec.name, spec.version)
    try:
        loaded = _load(spec, read)
    except TableRefused as refused:
        return Preparation((judge("readable", str(refused), kept=False),), directory, None)
    checks = _check(spec, loaded.frames)
    if outcome_of(checks) is Outcome.FAIL:
        return Preparation(tuple(checks), directory, None)
    built = _build(spec, loaded.frames, tell)
    checks += _check_pins(spec, built.sets)
    if outcome_of(checks) is Outcome.FAIL:
        return Preparation(tuple(checks), directory, None)
    lock = _lock(spec, loaded, built)
    write_prepared(directory, lock, built.sets)
    return Preparation(tuple(checks), directory, lock)


def _load(spec: DatasetSpec, read: ReadSource) -> _Loaded:
    contents = {name: read(source) for name, source in spec.sources.items()}
    tables: dict[tuple[str, bool], pd.DataFrame] = {}

    def table(name: str, *, labelled: bool) -> pd.DataFrame:
        key = (name, labelled)
        if key not in tables:
            tables[key] = read_table(contents[name], spec.sources[name], labelled=labelled)
        return tables[key]

    frames = {
        row_set.name: take(
            (table(name, labelled=row_set.labelled) for name in row_set.sources), row_set
        )
        for row_set in (spec.main, *spec.others)
    }
    return _Loaded(frames, {name: sha256_digest(held) for name, held in contents.items()})


def _check(spec: DatasetSpec, frames: Mapping[str, pd.DataFrame]) -> list[CheckResult]:
    checks = check_main(frames[spec.main.name], spec)
    for row_set in spec.others:
        checks += check_set(frames[row_set.name], spec, row_set)
    return checks


def _build(spec: DatasetSpec, frames: Mapping[str, pd.DataFrame], tell: Tell) -> _Built:
    read = frames[spec.main.name]
    main = clean(read, spec, spec.main)
    tell(f"splitting {len(main):,} distinct texts and looking for near-duplicates")
    parts = split(main, spec.split)
    others = {other.name: clean(frames[other.name], spec, other) for other in spec.others}
    refuse_clashing_names(parts.test, others)
    nulls = int(read["text"].isna().sum())
    counts = {
        "read": len(read),
        "without_text": nulls,
        "identical_dropped": len(read) - nulls - len(main),
        "distinct": len(main),
        "train_before_near_duplicates": len(parts.train) + parts.near_duplicates_dropped,
        "near_duplicates_dropped": parts.near_duplicates_dropped,
    }
    return _Built({TRAIN: parts.train, TEST: parts.test, **others}, counts)


def _check_pins(spec: DatasetSpec, sets: Mapping[str, Rows]) -> list[CheckResult]:
    pins = {TEST: spec.split.digest} | {other.name: other.digest for other in spec.others}
    return [_check_pin(name, pin, sets[name].digest) for name, pin in pins.items()]


def _check_pin(name: str, pin: str | None, found: str) -> CheckResult:
    if pin is None:
        return judge(f"pin of {name}", f"not pinned yet; write digest: {found}", kept=True)
    text = f"its rows have {found}, pinned is {pin}"
    if found != pin:
        text += "; other rows need a new version and a new pin in dataset.yaml"
    return judge(f"pin of {name}", text, kept=found == pin)


def _lock(spec: DatasetSpec, loaded: _Loaded, built: _Built) -> Lock:
    return Lock(
        form=FORM,
        name=spec.name,
        version=spec.version,
        task=spec.task,
        language=spec.language,
        license=spec.license,
        labels=spec.label_names,
        spec_digest=spec.digest,
        dataset_digest=dataset_digest(built.sets),
        test_set_digest=built.sets[TEST].digest,
        sets={
            name: {"rows": len(rows), "digest": rows.digest} for name, rows in built.sets.items()
        },
        sources=loaded.source_digests,
        counts=built.counts,
        slices=slice_sizes(built.sets[TEST]),
    )
