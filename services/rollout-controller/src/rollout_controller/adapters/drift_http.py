"""The Pairs port on the drift-monitor's HTTP routes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import httpx

from lifecycle.evidence import Subjects
from lifecycle.rollouts import Rollout
from rollout_controller.adapters.http_json import HttpJson, NotAnswered, Refusal, understood
from rollout_controller.ledger_moves import Envelope
from rollout_controller.mirror_counts import MirrorRead
from rollout_controller.noise_floors import NoiseFloor
from rollout_controller.ports import PairsUnreachable

Read = TypeVar("Read")


class DriftHttp:
    """Implements `ports.Pairs`."""

    def __init__(self, drift: HttpJson) -> None:
        self._drift = drift

    async def register(
        self, model: str, rollout: Rollout, since: float, mirror_percent: int
    ) -> None:
        """Begin to pair the Rollout's two versions."""
        versions = {"baseline": rollout.baseline, "candidate": rollout.candidate}
        body = {**versions, "since": since, "mirror_percent": mirror_percent}
        await self._read("PUT", _path(model, rollout), body, lambda answer: answer.json())

    async def paired_since(self, model: str, rollout: Rollout) -> float | None:
        """Return when the Rollout's pairing began, None while there is none."""
        return await self._find(_path(model, rollout), _since)

    async def sign(
        self,
        model: str,
        rollout: Rollout,
        subjects: Subjects,
        expires_at: float,
        mirror: MirrorRead,
    ) -> Envelope:
        """Return signed shadow Evidence of the Rollout's pairing."""
        body = {
            "subjects": asdict(subjects),
            "expires_at": expires_at,
            "mirror": asdict(mirror),
        }
        path = f"{_path(model, rollout)}/evidence"
        return await self._read("POST", path, body, lambda answer: dict(answer.json()))

    async def noise(self, model: str, digest: str) -> NoiseFloor | None:
        """Return the version's noise floor, None while it was not measured."""
        return await self._find(f"/v1/models/{model}/versions/{digest}/noise", _floor)

    async def _find(self, path: str, read: Callable[[httpx.Response], Read]) -> Read | None:
        try:
            return await self._read("GET", path, None, read)
        except PairsUnreachable as error:
            refusal = error.__cause__
            if isinstance(refusal, Refusal) and refusal.members.get("status") == 404:
                return None
            raise

    async def _read(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        read: Callable[[httpx.Response], Read],
    ) -> Read:
        try:
            return understood(await self._drift.ask(method, path, body), read)
        except (NotAnswered, Refusal) as error:
            raise PairsUnreachable(str(error)) from error


def _path(model: str, rollout: Rollout) -> str:
    return f"/v1/models/{model}/pairings/{rollout.id}"


def _since(answer: httpx.Response) -> float:
    return float(answer.json()["since"])


def _floor(answer: httpx.Response) -> NoiseFloor:
    page = answer.json()
    return NoiseFloor(
        digest=str(page["digest"]),
        n=int(page["n"]),
        lower=float(page["lower"]),
        point=float(page["point"]),
        upper=float(page["upper"]),
        measured_at=float(page["measured_at"]),
    )
