"""The ledger as the door to MLflow sees it: where versions stand, and which runs they came from."""

from collections.abc import Mapping

from lifecycle.model_states import ModelState, VersionState
from lifecycle.stages import Stage
from registry_proxy.door.ports import StandingModel, StandingUnavailable, StandingVersion
from registry_proxy.ledger.ports import Ledger, LedgerUnavailable

_ALIASES = {Stage.STAGING: "staging", Stage.SHADOW: "shadow", Stage.PRODUCTION: "production"}


class LedgerStanding:
    """Implements `door.ports.Standing`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def models(self) -> Mapping[str, StandingModel]:
        """Fold every model; raises StandingUnavailable."""
        try:
            states = [self._ledger.state(name) for name in self._ledger.models()]
        except LedgerUnavailable as unavailable:
            raise StandingUnavailable(str(unavailable)) from unavailable
        return {state.name: _standing(state) for state in states}


def _standing(state: ModelState) -> StandingModel:
    held = {alias: state.holding(stage) for stage, alias in _ALIASES.items()}
    staged = (v for v in state.versions if v.stage is not Stage.REGISTERED)
    return StandingModel(
        aliases={alias: _version(version) for alias, version in held.items() if version},
        guarded_runs=frozenset(v.lineage["run_id"] for v in staged),
    )


def _version(version: VersionState) -> StandingVersion:
    # Versions from before this was recorded have "model", which is what the jobs call it.
    path = version.metadata.get("artifact_path", "model")
    return StandingVersion(version.digest, version.lineage["run_id"], str(path))
