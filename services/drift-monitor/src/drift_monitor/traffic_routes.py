"""HTTP for those who plan a Rollout: how much traffic a version has, and its noise floor."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from drift_monitor.noise import Noise, Repeats
from drift_monitor.ports import Transaction
from drift_monitor.windows import ALL
from drift_monitor.wiring import ANSWERS, UNKNOWN, ModelName, Wired, read, role, write
from servicekit.problems import Problem, problem_answers

DAY_SECONDS = 86_400.0
KEPT_SECONDS = 900.0
"""Answers that belong to no pairing are kept so long."""
_FEWEST_TWICE = 20
"""An A/A run of fewer texts says nothing of a floor."""

router = APIRouter(responses=ANSWERS)
VersionDigest = Annotated[str, Path(pattern=r"^sha256:[0-9a-f]{64}$")]
_PLACE = "/v1/models/{model}/versions/{digest}"


@router.get(f"{_PLACE}/traffic", dependencies=[role("viewer")], responses=UNKNOWN)
async def get_traffic(model: ModelName, digest: VersionDigest, parts: Wired) -> dict[str, Any]:
    """Show a version's traffic over the last day, by Slice, and how much of it counts."""
    now = parts.clock()

    def look(transaction: Transaction) -> dict[str, Any]:
        buckets = transaction.buckets.between(digest, now - DAY_SECONDS, now)
        since = min((bucket.start for bucket in buckets), default=now)
        seconds = max(now - since, 1.0)
        slices: dict[str, int] = {}
        for bucket in buckets:
            slices[bucket.slice] = slices.get(bucket.slice, 0) + bucket.n
        recent = _repeats(transaction, model, digest, now)
        return {
            "digest": digest,
            "since": since,
            "until": now,
            "texts_per_second": slices.pop(ALL, 0) / seconds,
            "slices": {name: n / seconds for name, n in sorted(slices.items())},
            "unique_share": recent.unique / recent.texts if recent.texts else 1.0,
            "labels_per_second": transaction.answers.labels_since(now - DAY_SECONDS) / seconds,
        }

    return await write(parts, look)


@router.post(
    f"{_PLACE}/noise", dependencies=[role("operator")], responses=problem_answers(404, 409)
)
async def measure_noise(model: ModelName, digest: VersionDigest, parts: Wired) -> dict[str, Any]:
    """Keep what the A/A run of the last minutes says: texts that the version answered twice."""
    now = parts.clock()
    repeats = await write(parts, lambda tables: _repeats(tables, model, digest, now))
    if repeats.twice < _FEWEST_TWICE:
        detail = (
            f"{repeats.twice} texts were answered twice in the last {KEPT_SECONDS / 60:.0f} "
            f"minutes, {_FEWEST_TWICE} are needed: send each text twice"
        )
        raise Problem(409, "too-few-repeats", "Too few repeats", detail)
    noise = Noise(model, digest, repeats.twice, repeats.differing, now)
    await write(parts, lambda transaction: transaction.registered.put_noise(noise))
    return _noise_page(noise)


@router.get(f"{_PLACE}/noise", dependencies=[role("viewer")], responses=UNKNOWN)
async def get_noise(model: ModelName, digest: VersionDigest, parts: Wired) -> dict[str, Any]:
    """Show what the last A/A run of a version measured."""
    noise = await read(parts, lambda transaction: transaction.registered.noise(model, digest))
    if noise is None:
        detail = f"no A/A run of {digest} was measured: isogloss rollout noise {model} makes one"
        raise Problem(404, "no-noise", "Not measured", detail)
    return _noise_page(noise)


def _repeats(transaction: Transaction, model: str, digest: str, now: float) -> Repeats:
    # Answers of no pairing are held packed: only here somebody looks at their texts.
    transaction.answers.unpack_held(model, digest)
    return transaction.answers.repeats(model, digest, now - KEPT_SECONDS)


def _noise_page(noise: Noise) -> dict[str, Any]:
    bounds = noise.bounds()
    return {
        "digest": noise.version,
        "n": noise.n,
        "differing": noise.differing,
        "lower": bounds.lower,
        "point": bounds.point,
        "upper": bounds.upper,
        "measured_at": noise.measured_at,
    }
