"""HTTP in and out: who may call what, and which outcome is which status. No decisions."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from drift_monitor.attest import Known, SubjectsRefused, shadow_evidence
from drift_monitor.batches import MAX_BYTES, BatchRefused
from drift_monitor.detectors import NAIVE_COSINE_LIMIT
from drift_monitor.intake import Taken
from drift_monitor.mirrored import MirrorCount, span_of
from drift_monitor.pairings import Pairing, PairingConflict, register
from drift_monitor.ports import JournalRefused, Transaction
from drift_monitor.schemas import (
    EvidenceWish,
    Feedback,
    PairingWish,
    finding_page,
    pairing_page,
    signal_page,
)
from drift_monitor.wiring import (
    ANSWERS,
    RETRY_AFTER,
    UNKNOWN,
    WITH_BODY,
    ModelName,
    Parts,
    RolloutName,
    Wired,
    read,
    role,
    write,
)
from lifecycle.evidence import PAYLOAD_TYPE
from servicekit.problems import Problem, problem_answers

router = APIRouter(responses=ANSWERS)


@router.post(
    "/v1/events",
    dependencies=[role("predictor")],
    responses=WITH_BODY,
    openapi_extra={
        "requestBody": {
            "content": {"application/msgpack": {"schema": {"type": "object"}}},
            "required": True,
        }
    },
)
async def take_events(request: Request, parts: Wired) -> dict[str, int]:
    """Journal and queue a batch of prediction events."""
    body = await _read_limited(request)
    try:
        taken, rows = parts.intake.take(body, parts.clock())
    except BatchRefused as refused:
        parts.metrics.batches.labels("refused").inc()
        raise Problem(422, "invalid-batch", "Invalid event batch", str(refused)) from refused
    except JournalRefused as refused:
        parts.metrics.batches.labels("unwritten").inc()
        raise Problem(
            503, "not-journalled", "Not written down", str(refused), headers=RETRY_AFTER
        ) from refused
    parts.metrics.batches.labels(taken.value).inc()
    parts.metrics.waiting.set(len(parts.intake))
    if taken is Taken.SHED:
        parts.metrics.dropped.labels("queue-full").inc(rows)
        detail = f"{len(parts.intake)} batches are waiting: send this one again later."
        raise Problem(503, "queue-full", "Queue full", detail, headers=RETRY_AFTER)
    return {"accepted": rows}


@router.post("/v1/feedback", dependencies=[role("operator", "predictor")], responses=WITH_BODY)
async def take_feedback(feedback: Feedback, parts: Wired) -> dict[str, int]:
    """Keep true labels, to be joined on the request id; say how many measure nothing."""
    labels, now = feedback.labels, parts.clock()

    def keep(transaction: Transaction) -> int:
        transaction.answers.label(now, labels)
        return transaction.answers.unused(labels)

    unused = await write(parts, keep)
    parts.metrics.feedback.inc(len(labels))
    parts.metrics.unused_labels.inc(unused)
    return {"accepted": len(labels), "unused": unused}


@router.put(
    "/v1/models/{model}/pairings/{rollout}",
    dependencies=[role("rollout-controller")],
    responses={**WITH_BODY, **problem_answers(404, 409)},
)
async def put_pairing(
    model: ModelName, rollout: RolloutName, wish: PairingWish, parts: Wired
) -> dict[str, Any]:
    """Begin to pair the answers of two versions."""
    wanted = Pairing(
        model,
        rollout,
        wish.baseline,
        wish.candidate,
        wish.since,
        mirror_percent=wish.mirror_percent,
    )

    def store_it(transaction: Transaction) -> None:
        transaction.registered.put(register(wanted, transaction.registered.pairings(model)))
        for digest in (wanted.baseline, wanted.candidate):
            transaction.answers.unpack_held(model, digest)

    try:
        await write(parts, store_it)
    except PairingConflict as conflict:
        raise Problem(409, "pairing-conflict", "Paired otherwise", str(conflict)) from conflict
    known = await _tally(parts, model, rollout)
    return pairing_page(known.pairing, known.tallies)


@router.get(
    "/v1/models/{model}/pairings/{rollout}", dependencies=[role("viewer")], responses=UNKNOWN
)
async def get_pairing(model: ModelName, rollout: RolloutName, parts: Wired) -> dict[str, Any]:
    """Show a pairing's counts so far."""
    known = parts.recent.find((model, rollout), parts.clock())
    known = known or await _tally(parts, model, rollout)
    return pairing_page(known.pairing, known.tallies)


@router.post(
    "/v1/models/{model}/pairings/{rollout}/evidence",
    dependencies=[role("rollout-controller")],
    responses={**WITH_BODY, **problem_answers(404, 409)},
)
async def sign_evidence(
    model: ModelName, rollout: RolloutName, wish: EvidenceWish, parts: Wired
) -> dict[str, Any]:
    """Sign the counts so far as shadow Evidence."""
    mirror = wish.mirror.to_count() if wish.mirror else None
    known = await _tally(parts, model, rollout, mirror)
    subjects = wish.subjects.to_subjects()
    try:
        evidence = shadow_evidence(known, subjects, parts.clock(), wish.expires_at)
    except SubjectsRefused as refused:
        raise Problem(409, "other-subjects", "Other subjects", str(refused)) from refused
    if mirror and mirror.percent < known.pairing.mirror_percent:
        partial = replace(known.pairing, mirror_percent=mirror.percent)
        await write(parts, lambda transaction: transaction.registered.put([partial]))
    return parts.signer.sign(PAYLOAD_TYPE, evidence.to_bytes())


@router.get("/v1/models/{model}/drift", dependencies=[role("viewer")], responses=UNKNOWN)
async def get_drift(model: ModelName, parts: Wired) -> dict[str, Any]:
    """Show what the Detectors said last and what was found."""

    def seen(transaction: Transaction) -> dict[str, Any]:
        versions = transaction.registered.versions(model)
        return {
            "model": model,
            "versions": [_version_page(transaction, v.digest, parts) for v in versions],
            "findings": [finding_page(found) for found in transaction.findings.of_model(model)],
        }

    return await read(parts, seen)


def _version_page(transaction: Transaction, digest: str, parts: Parts) -> dict[str, Any]:
    cosine = transaction.drift.cosine(digest)
    signals = [
        signal_page(slice_name, detector, monitor)
        for slice_name, monitors in sorted(transaction.drift.monitors(digest).items())
        for detector, monitor in sorted(monitors.items())
    ]
    waiting = [w for w in transaction.drift.windows(closed=False) if w.version == digest]
    return {
        "digest": digest,
        "window_seconds": parts.times.window_seconds,
        "signals": signals,
        "naive_cosine": {
            "distance": cosine.distance if cosine else None,
            "limit": NAIVE_COSINE_LIMIT,
            "fires": cosine is not None and cosine.distance > NAIVE_COSINE_LIMIT,
            "false_alarms": cosine.false_alarms if cosine else None,
        },
        "filling": [{"slice": w.slice, "n": w.n, "start": w.start} for w in waiting],
    }


async def _tally(
    parts: Parts, model: str, rollout: str, mirror: MirrorCount | None = None
) -> Known:
    settled, began = parts.settled(), parts.clock()

    def tallied(transaction: Transaction) -> Known | None:
        known = transaction.registered.pairings(model)
        pairing = next((p for p in known if p.rollout == rollout), None)
        if pairing is None:
            return None
        tallies = transaction.answers.tally(pairing, span_of(pairing, mirror, settled))
        noise = transaction.registered.noise(model, pairing.baseline)
        return Known(pairing, tallies, noise)

    found = await read(parts, tallied)
    if found is None:
        detail = f"{model} has no pairing for rollout {rollout}: the rollout-controller puts it."
        raise Problem(404, "unknown-pairing", "Unknown pairing", detail)
    parts.recent.keep((model, rollout), found, began, parts.clock())
    return found


async def _read_limited(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            detail = f"An event batch has at most {MAX_BYTES} bytes: send fewer rows."
            raise Problem(413, "batch-too-large", "Batch too large", detail)
    return bytes(body)
