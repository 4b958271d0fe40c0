"""Keeping MLflow's aliases as the ledger says: after each entry, and looked at every few seconds.

An alias that somebody else moved is put back and counted. Nothing waits for this: a promotion
stands when the ledger has it. MLflow's stages, which cannot say SHADOW, are not used.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from registry_proxy.door.ports import (
    Mlflow,
    MlflowUnavailable,
    Standing,
    StandingModel,
    StandingUnavailable,
    StandingVersion,
)
from registry_proxy.door.rules import ALIASES, DIGEST_TAG

_log = logging.getLogger(__name__)

PutBack = Callable[[str, str, int], None]
"""Counts how often an alias of a model was not as it had been left: 0 makes the count begin."""


class AliasKeeper:
    """Projects the ledger's Stages onto MLflow's aliases while `run` is awaited."""

    def __init__(
        self,
        standing: Standing,
        mlflow: Mlflow,
        put_back: PutBack,
        clock: Callable[[], float],
        look_seconds: float,
    ) -> None:
        self._standing = standing
        self._mlflow = mlflow
        self._put_back = put_back
        self._clock = clock
        self._look = look_seconds
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._behind_since: float | None = None
        self._left: dict[str, Mapping[str, str]] = {}

    def wake(self) -> None:
        """Tell that the ledger has a new entry; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._changed.set)

    def stale_seconds(self) -> float:
        """Return for how long some alias could not be kept; 0 while all are."""
        return self._clock() - self._behind_since if self._behind_since is not None else 0.0

    async def run(self) -> None:
        """Keep them until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            await self.keep()
            try:
                await asyncio.wait_for(self._changed.wait(), self._look)
            except TimeoutError:
                continue

    async def keep(self) -> None:
        """Look once at every model of the ledger and put right what is not as it should be."""
        began = self._clock()
        try:
            models = await asyncio.to_thread(self._standing.models)
        except StandingUnavailable as unavailable:
            self._note_fault(began, str(unavailable))
            return
        kept = [await self._keeps(name, model, began) for name, model in models.items()]
        if all(kept):
            self._behind_since = None

    async def _keeps(self, name: str, model: StandingModel, began: float) -> bool:
        try:
            await self._keep_model(name, model)
        except MlflowUnavailable as unavailable:
            self._note_fault(began, f"{name}: {unavailable}")
            return False
        return True

    def _note_fault(self, began: float, why: str) -> None:
        if self._behind_since is None:
            self._behind_since = began
            _log.warning("aliases not kept", extra={"why": why})

    async def _keep_model(self, name: str, model: StandingModel) -> None:
        found = await self._mlflow.ask("GET", "registered-models/get", {"name": name})
        if found is None:
            if not model.aliases:
                return
            await self._mlflow.ask("POST", "registered-models/create", {"name": name})
        there = _aliases_of(found)
        wanted = {
            alias: await self._number(name, version) for alias, version in model.aliases.items()
        }
        left = self._left.get(name)
        if left is None:
            for alias in ALIASES:
                self._put_back(name, alias, 0)
        for alias in sorted(there.keys() | wanted.keys()):
            if there.get(alias) != wanted.get(alias):
                await self._set(name, alias, wanted.get(alias))
            if left is not None and there.get(alias) != left.get(alias):
                self._put_back(name, alias.casefold(), 1)
                was = there.get(alias)
                _log.warning("alias put back", extra={"model": name, "alias": alias, "was": was})
        self._left[name] = wanted

    async def _number(self, name: str, version: StandingVersion) -> str:
        """Return the number that MLflow gave the version, which is made there if it is missing."""
        tagged = f"name = '{name}' and tags.`{DIGEST_TAG}` = '{version.digest}'"
        found = await self._mlflow.ask("GET", "model-versions/search", {"filter": tagged})
        for each in (found or {}).get("model_versions", []):
            # Anybody at MLflow itself could have set the tag on another run's version.
            if each.get("run_id") == version.run_id:
                return str(each["version"])
        made = await self._mlflow.ask("POST", "model-versions/create", _creation(name, version))
        try:
            return str((made or {})["model_version"]["version"])
        except (KeyError, TypeError) as error:
            raise MlflowUnavailable(f"MLflow made no version of {name}: {made}") from error

    async def _set(self, name: str, alias: str, number: str | None) -> None:
        if number is None:
            members = {"name": name, "alias": alias}
            await self._mlflow.ask("DELETE", "registered-models/alias", members)
            return
        members = {"name": name, "alias": alias, "version": number}
        await self._mlflow.ask("POST", "registered-models/alias", members)


def _aliases_of(found: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the aliases that are ours, in any spelling of their case."""
    listed = (found or {}).get("registered_model", {}).get("aliases", [])
    return {
        str(each["alias"]): str(each["version"])
        for each in listed
        if str(each["alias"]).casefold() in ALIASES
    }


def _creation(name: str, version: StandingVersion) -> dict[str, Any]:
    return {
        "name": name,
        "source": f"runs:/{version.run_id}/{version.artifact_path}",
        "run_id": version.run_id,
        "tags": [{"key": DIGEST_TAG, "value": version.digest}],
        "description": "Made by the registry-proxy: Stages and bytes are the ledger's.",
    }
