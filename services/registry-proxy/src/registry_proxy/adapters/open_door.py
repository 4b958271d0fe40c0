"""The door to MLflow as the settings say: its parts opened and joined."""

from dataclasses import dataclass

from registry_proxy.adapters.ledger_standing import LedgerStanding
from registry_proxy.adapters.mlflow_door import MlflowDoor
from registry_proxy.door.keep_aliases import AliasKeeper
from registry_proxy.door.routes import Door
from registry_proxy.ledger.ports import Clock, Ledger
from registry_proxy.metrics import DoorMetrics
from registry_proxy.settings import RegistryProxySettings


@dataclass(frozen=True)
class OpenDoor:
    """What the routes need, what keeps the aliases, and the connections to close."""

    door: Door
    aliases: AliasKeeper
    mlflow: MlflowDoor


def open_door(
    settings: RegistryProxySettings, ledger: Ledger, metrics: DoorMetrics, clock: Clock
) -> OpenDoor:
    """Open it; MLflow is not asked yet."""
    mlflow = MlflowDoor(settings.mlflow_url, settings.mlflow_timeout_seconds)
    standing = LedgerStanding(ledger)
    look = settings.aliases_seconds
    aliases = AliasKeeper(standing, mlflow, metrics.count_put_back, clock, look)
    metrics.aliases_stale.set_function(aliases.stale_seconds)
    return OpenDoor(Door(mlflow, standing, metrics.count_refusal), aliases, mlflow)
