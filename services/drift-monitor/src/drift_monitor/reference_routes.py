"""HTTP about References: rows kept of a version's traffic as a file, and the file accepted."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from drift_monitor.accepted import FEWEST_ROWS, Accepted, read_accepted
from drift_monitor.ports import ReferenceRefused, Transaction, Version
from drift_monitor.traffic_ports import AcceptedFile
from drift_monitor.traffic_routes import VersionDigest
from drift_monitor.traffic_samples import DAY_SECONDS, About, day_of, evenly, write_file
from drift_monitor.wiring import (
    ANSWERS,
    WITH_BODY,
    ModelName,
    Parts,
    Wired,
    in_thread,
    read,
    role,
    write,
)
from servicekit.problems import Problem, problem_answers

MAX_BYTES = 64 * 1024 * 1024
_MOST_DAYS = 92
_PLACE = "/v1/models/{model}/versions/{digest}"

router = APIRouter(responses=ANSWERS)
Days = Annotated[int, Query(ge=1, le=_MOST_DAYS)]


class ReferenceFile(Response):
    """A file of rows, as a Reference has them."""

    media_type = "application/octet-stream"


@router.get(
    f"{_PLACE}/sample",
    dependencies=[role("trainer", "operator")],
    response_class=ReferenceFile,
    responses=problem_answers(404, 409),
)
async def get_sample(
    model: ModelName, digest: VersionDigest, parts: Wired, days: Days = 14
) -> Response:
    """Return rows drawn evenly from today's traffic and that of the days before it."""
    now = parts.clock()
    start = day_of(now) - (days - 1) * DAY_SECONDS

    def drawn(transaction: Transaction) -> tuple[int, bytes]:
        version = _version(transaction, model, digest)
        held = transaction.traffic.between(digest, start, now)
        rows = evenly(held)
        about = About(
            version=digest,
            labels=version.labels,
            languages=tuple(sorted({row.language for row in rows})),
            start=held[0].day if held else start,
            end=now,
            texts=sum(day.seen for day in held),
        )
        return len(rows), write_file(rows, about) if rows else b""

    rows, content = await read(parts, drawn)
    if rows < FEWEST_ROWS:
        detail = (
            f"{rows} rows can be drawn evenly from {days} days, {FEWEST_ROWS} are needed: "
            "wait, or take more days"
        )
        raise Problem(409, "too-few-rows", "Too few rows", detail)
    return ReferenceFile(content)


@router.put(
    f"{_PLACE}/accepted",
    dependencies=[role("trainer", "operator")],
    responses={**problem_answers(404, 409), **WITH_BODY},
    openapi_extra={
        "requestBody": {
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            "required": True,
        }
    },
)
async def put_accepted(
    model: ModelName, digest: VersionDigest, request: Request, parts: Wired
) -> dict[str, Any]:
    """Compare a version's traffic with this file, too, from its next Window on."""
    content = await request.body()
    sha256 = "sha256:" + hashlib.sha256(content).hexdigest()
    file = AcceptedFile(digest, sha256, parts.clock(), content)
    version = await read(parts, lambda transaction: _version(transaction, model, digest))
    accepted = await in_thread(lambda: _read(parts, version, file))
    await write(parts, lambda transaction: transaction.accepted.put(file))
    return _page(file, accepted)


@router.get(
    f"{_PLACE}/accepted", dependencies=[role("viewer")], responses=problem_answers(404, 409)
)
async def get_accepted(model: ModelName, digest: VersionDigest, parts: Wired) -> dict[str, Any]:
    """Show which traffic a version's Windows are compared with beside its own Reference."""

    def seen(transaction: Transaction) -> tuple[Version, AcceptedFile | None]:
        return _version(transaction, model, digest), transaction.accepted.file_of(digest)

    version, file = await read(parts, seen)
    if file is None:
        detail = f"no traffic of {digest} was accepted: isogloss drift accept {model} does it"
        raise Problem(404, "none-accepted", "No accepted traffic", detail)
    return _page(file, await in_thread(lambda: _read(parts, version, file)))


def _version(transaction: Transaction, model: str, digest: str) -> Version:
    for version in transaction.registered.versions(model):
        if version.digest == digest:
            return version
    raise Problem(404, "unknown-version", "Unknown version", f"{model} {digest} sent no events.")


def _read(parts: Parts, version: Version, file: AcceptedFile) -> Accepted:
    own = parts.shelf.find(version.digest, version.labels)
    if own is None:
        detail = f"the Reference of {version.digest} cannot be had now, which this is read beside"
        raise Problem(409, "no-reference", "No Reference", detail)
    try:
        return read_accepted(file, own)
    except ReferenceRefused as refused:
        raise Problem(422, "invalid-reference", "Not such a Reference", str(refused)) from refused


def _page(file: AcceptedFile, accepted: Accepted) -> dict[str, Any]:
    about = accepted.about
    return {
        "version": file.version,
        "sha256": file.sha256,
        "accepted_at": file.accepted_at,
        "start": about.start,
        "end": about.end,
        "texts": about.texts,
        "rows": len(accepted.rows),
        "compared": {name: sample.n for name, sample in accepted.means.items()},
    }
