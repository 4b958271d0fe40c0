"""Counts of (truth, Baseline's answer, Candidate's answer) per Slice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.evidence import Measurement
from stats.calibration import CalibrationBins
from training_jobs.dataset.rows import Rows
from training_jobs.dataset.slices import slice_positions

NO_BASELINE = -1


@dataclass(frozen=True)
class SetAnswers:
    """Both versions' label indices for every row of one set; `baseline` None where there is none.

    `confidences` are the Candidate's. Times are seconds since the epoch, UTC.
    """

    rows: Rows
    candidate: Sequence[int]
    baseline: Sequence[int] | None
    started_at: float
    ended_at: float
    confidences: Sequence[float] = ()


def measure_slices(answers: SetAnswers, labels: tuple[str, ...], source: str) -> list[Measurement]:
    """Return `cells` of every Slice of the pinned test set, `all` first."""
    return [
        _measurement(answers, name, positions, labels, source)
        for name, positions in slice_positions(answers.rows).items()
    ]


def measure_calibration(answers: SetAnswers, source: str) -> Measurement:
    """Return `calibration` of the Candidate on the whole set."""
    right = [a == b for a, b in zip(answers.rows.labels, answers.candidate, strict=True)]
    bins = CalibrationBins.from_rows(answers.confidences, right)
    return Measurement(
        name="calibration",
        slice="all",
        n=bins.n,
        counts={"bins": [[int(n), int(hit), a, b] for n, hit, a, b in bins.table.tolist()]},
        source=source,
        started_at=answers.started_at,
        ended_at=answers.ended_at,
    )


def measure_whole(
    answers: SetAnswers, name: str, labels: tuple[str, ...], source: str
) -> Measurement:
    """Return `cells` of a whole other set, as a Slice of that name."""
    return _measurement(answers, name, range(len(answers.rows)), labels, source)


def _measurement(
    answers: SetAnswers, name: str, positions: Sequence[int], labels: tuple[str, ...], source: str
) -> Measurement:
    baseline = answers.baseline or [NO_BASELINE] * len(answers.rows)
    cells = Counter((answers.rows.labels[i], baseline[i], answers.candidate[i]) for i in positions)
    counts: dict[str, Any] = {
        "labels": list(labels),
        "cells": [[*cell, count] for cell, count in sorted(cells.items())],
    }
    return Measurement(
        name="cells",
        slice=name,
        n=len(positions),
        counts=counts,
        source=source,
        started_at=answers.started_at,
        ended_at=answers.ended_at,
    )
