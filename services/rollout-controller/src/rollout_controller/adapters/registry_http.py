"""The Ledger port on the registry-proxy's HTTP routes."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
import yaml

from lifecycle.model_states import ModelState, model_state_from_dict
from lifecycle.policies import GatePolicy
from lifecycle.policy_files import read_policy
from lifecycle.rollouts import Rollout, rollout_from_dict
from lifecycle.verdicts import verdict_from_dict
from rollout_controller.adapters.http_json import HttpJson, NotAnswered, Refusal, understood
from rollout_controller.ledger_moves import Advance, Advanced, Ending, HeldPolicy
from rollout_controller.ports import LedgerRefused, LedgerUnreachable

Read = TypeVar("Read")


class RegistryHttp:
    """Implements `ports.Ledger`."""

    def __init__(self, registry: HttpJson) -> None:
        self._registry = registry

    async def fetch_state(self, model: str) -> ModelState:
        """Return the model as of its last entry."""
        try:
            return await self._read("GET", f"/v1/models/{model}", None, _state)
        except LedgerRefused as refused:
            if refused.members.get("status") == httpx.codes.NOT_FOUND:
                return ModelState(model)
            raise

    async def fetch_policy(self, model: str) -> HeldPolicy:
        """Return the gate policy in force; its digest is the page's ETag."""
        return await self._read("GET", f"/v1/models/{model}/policy", None, _policy)

    async def begin(self, model: str, digest: str, expected_seq: int) -> tuple[Rollout, int]:
        """Record a new Rollout."""
        body = {"digest": digest, "expected_seq": expected_seq}
        return await self._read("POST", f"/v1/models/{model}/rollouts", body, _rollout)

    async def advance(self, model: str, rollout: str, request: Advance) -> Advanced:
        """Ask for the next Phase or step."""
        body: dict[str, Any] = {
            "phase": request.phase.value,
            "step": request.step,
            "expected_seq": request.expected_seq,
        }
        if request.evidence is not None:
            body["evidence"] = request.evidence
        if request.judge_only:
            body["judge_only"] = True
        path = f"/v1/models/{model}/rollouts/{rollout}/advance"
        return await self._read("POST", path, body, _advanced)

    async def hold(
        self, model: str, rollout: str, reason: str | None, expected_seq: int
    ) -> tuple[Rollout, int]:
        """Pause with a reason, or resume."""
        verb = "resume" if reason is None else "pause"
        body = {"reason": reason or "resumed", "expected_seq": expected_seq}
        return await self._read(
            "POST", f"/v1/models/{model}/rollouts/{rollout}/{verb}", body, _rollout
        )

    async def end(self, model: str, rollout: str, ending: Ending) -> tuple[Rollout, int]:
        """Record that a Rollout was given up."""
        body: dict[str, Any] = {"phase": ending.phase.value, "reason": ending.reason}
        if ending.marker:
            body["marker"] = ending.marker.to_dict()
        if ending.verdict:
            body["verdict"] = ending.verdict.to_dict()
        if ending.facts is not None:
            body["facts"] = dict(ending.facts)
        if ending.evidence is not None:
            body["evidence"] = ending.evidence
        return await self._read(
            "POST", f"/v1/models/{model}/rollouts/{rollout}/end", body, _rollout
        )

    async def _read(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        read: Callable[[httpx.Response], Read],
    ) -> Read:
        try:
            return understood(await self._registry.ask(method, path, body), read)
        except NotAnswered as error:
            raise LedgerUnreachable(str(error)) from error
        except Refusal as refused:
            raise LedgerRefused(refused.problem, str(refused), refused.members) from refused


def _state(answer: httpx.Response) -> ModelState:
    return model_state_from_dict(answer.json())


def _policy(answer: httpx.Response) -> HeldPolicy:
    return HeldPolicy(answer.headers["etag"].strip('"'), _read_yaml(answer.content))


def _rollout(answer: httpx.Response) -> tuple[Rollout, int]:
    document = answer.json()
    return rollout_from_dict(document["rollout"]), int(document["seq"])


def _advanced(answer: httpx.Response) -> Advanced:
    document = answer.json()
    verdict = document["verdict"]
    return Advanced(
        advanced=bool(document["advanced"]),
        verdict=verdict_from_dict(verdict) if verdict else None,
        rollout=rollout_from_dict(document["rollout"]),
        seq=int(document["seq"]),
    )


def _read_yaml(content: bytes) -> GatePolicy:
    try:
        return read_policy(yaml.safe_load(content))
    except yaml.YAMLError as error:
        raise ValueError(f"the policy is not YAML: {error}") from error
