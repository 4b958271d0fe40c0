"""HTTP about quality: what is known of it, what to label, and the weekly reports."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from drift_monitor.facts import report_facts
from drift_monitor.labelling import Drawn
from drift_monitor.ports import Report, Transaction, Version
from drift_monitor.quality_schemas import ReportWritten, labelling_page, quality_page, report_line
from drift_monitor.watch_quality import assess
from drift_monitor.wiring import ANSWERS, UNKNOWN, WITH_BODY, ModelName, Wired, read, role, write
from servicekit.problems import Problem

router = APIRouter(responses=ANSWERS)
_DAY_SECONDS = 86_400.0
_QUARTER_SECONDS = 91 * _DAY_SECONDS
_MOST_DAYS = 92
Days = Annotated[float, Query(gt=0, le=_MOST_DAYS)]
Until = Annotated[float, Path(ge=0, allow_inf_nan=False)]
Moment = Annotated[float, Query(ge=0, allow_inf_nan=False)]


@router.get("/v1/models/{model}/quality", dependencies=[role("viewer")], responses=UNKNOWN)
async def get_quality(model: ModelName, parts: Wired) -> dict[str, Any]:
    """Show what is known of each version's accuracy, by Slice."""
    now = parts.clock()
    times = (now - parts.promise.quality_seconds, now)

    def assessed(transaction: Transaction) -> list[dict[str, Any]]:
        sending = transaction.buckets.versions_since(times[0])
        pages = []
        for version in transaction.registered.versions(model):
            reference = None
            if version.digest in sending:
                reference = parts.shelf.find(version.digest, version.labels)
            if reference is not None:
                found = assess(transaction, version, reference, times, parts.promise)
                slices = [quality_page(known) for known in found]
                pages.append({"digest": version.digest, "slices": slices})
        return pages

    return {"model": model, "versions": await read(parts, assessed)}


@router.get("/v1/models/{model}/labelling", dependencies=[role("operator")], responses=UNKNOWN)
async def get_labelling(model: ModelName, parts: Wired) -> dict[str, Any]:
    """Name the rows to label: of the version that got the most of the newest list."""
    since = parts.clock() - _QUARTER_SECONDS

    def listed(transaction: Transaction) -> list[tuple[Version, Sequence[Drawn]]]:
        versions = transaction.registered.versions(model)
        return [(version, transaction.sample.drawn(version.digest, since)) for version in versions]

    found = [(version, drawn) for version, drawn in await read(parts, listed) if drawn]
    if not found:
        detail = f"{model} has no list yet: one is made when the time it is drawn from is over."
        raise Problem(404, "no-list", "Nothing to label", detail)
    newest = max(row.cohort for _, drawn in found for row in drawn)
    of_newest = [(v, [row for row in drawn if row.cohort == newest]) for v, drawn in found]
    version, rows = max(of_newest, key=lambda each: len(each[1]))
    return labelling_page(version, newest, parts.promise.cohort_seconds, rows)


@router.get("/v1/models/{model}/facts", dependencies=[role("viewer")], responses=UNKNOWN)
async def get_facts(
    model: ModelName, parts: Wired, days: Days = 7.0, until: Moment | None = None
) -> dict[str, Any]:
    """Return all that a report on the days before `until` (now) is made from."""
    end = parts.clock() if until is None else until

    def told(transaction: Transaction) -> dict[str, Any] | None:
        times = (end - days * _DAY_SECONDS, end)
        return report_facts(transaction, parts.shelf, model, times, parts.promise)

    facts = await read(parts, told)
    if facts is None:
        raise Problem(404, "no-events", "No events", f"{model} has sent no events in that time.")
    return facts


@router.put(
    "/v1/models/{model}/reports/{until}",
    dependencies=[role("trainer", "operator")],
    responses={**UNKNOWN, **WITH_BODY},
)
async def put_report(
    model: ModelName, until: Until, written: ReportWritten, parts: Wired
) -> dict[str, Any]:
    """Keep a report."""
    report = Report(until, written.summary, written.facts, written.page)
    await write(parts, lambda transaction: transaction.reports.put(model, report))
    return report_line(report)


@router.get("/v1/models/{model}/reports", dependencies=[role("viewer")], responses=UNKNOWN)
async def get_reports(model: ModelName, parts: Wired) -> dict[str, Any]:
    """List the reports kept, newest first."""
    kept = await read(parts, lambda transaction: transaction.reports.of_model(model))
    return {"model": model, "reports": [report_line(report) for report in kept]}


@router.get(
    "/v1/models/{model}/reports/{until}",
    dependencies=[role("viewer")],
    response_class=HTMLResponse,
    responses=UNKNOWN,
)
async def get_report(model: ModelName, until: Until, parts: Wired) -> Response:
    """Return one report's page."""
    kept = await read(parts, lambda transaction: transaction.reports.of_model(model))
    found = next((report for report in kept if report.until == until), None)
    if found is None:
        detail = f"{model} has no report for {until}: GET /v1/models/{model}/reports lists them."
        raise Problem(404, "unknown-report", "Unknown report", detail)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(found.page, headers=headers)
