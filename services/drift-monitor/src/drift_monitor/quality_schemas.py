"""Wire models of what is told about quality, labelling and reports."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from drift_monitor.labelling import Drawn
from drift_monitor.ports import Report, Version
from drift_monitor.quality import Quality
from drift_monitor.yardsticks import STRATA
from stats.bounds import Bounds


class ReportWritten(BaseModel):
    """A report: one paragraph, its facts as JSON, its page as HTML."""

    model_config = ConfigDict(extra="forbid")

    summary: str = Field(max_length=4000)
    facts: str = Field(max_length=4_000_000)
    page: str = Field(max_length=8_000_000)


def bounds_page(bounds: Bounds | None) -> dict[str, Any] | None:
    """Return bounds as the API shows them."""
    return asdict(bounds) if bounds is not None else None


def quality_page(known: Quality) -> dict[str, Any]:
    """Return what is known of one Slice's quality."""
    return {
        "slice": known.slice,
        "start": known.start,
        "end": known.end,
        "floor": known.floor,
        "estimated": bounds_page(known.estimated),
        "trusted": known.trusted,
        "novelty": known.novelty,
        "measured": bounds_page(known.measured),
        "measured_until": known.measured_until if known.measured else None,
        "degraded": known.degraded,
        "may_be_harmed": known.may_be_harmed,
    }


def labelling_page(
    version: Version, cohort: float, seconds: float, rows: Sequence[Drawn]
) -> dict[str, Any]:
    """Return a list of rows to label. What the version answered is not told: labels are truths."""
    return {
        "version": version.digest,
        "labels": list(version.labels),
        "start": cohort,
        "end": cohort + seconds,
        "labelled": sum(row.truth is not None for row in rows),
        "items": [
            {
                "request_id": row.request_id,
                "time": row.time,
                "stratum": STRATA[row.stratum],
                "slices": list(row.slices),
                "probability": row.probability,
                "label": row.truth,
            }
            for row in sorted(rows, key=lambda row: (row.truth is not None, row.time))
        ],
    }


def report_line(report: Report) -> dict[str, Any]:
    """Return a report without its page."""
    return {"until": report.until, "summary": report.summary}
