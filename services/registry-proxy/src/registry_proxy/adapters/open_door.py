"""The door to MLflow as the settings say: its parts opened and joined."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_proxy.adapters.ledger_standing import LedgerStanding
from registry_proxy.adapters.mlflow_door import MlflowDoor
from registry_proxy.door.keep_aliases import AliasKeeper
from registry_proxy.door.routes import Door
from registry_proxy.door.witness import Witness
from registry_proxy.ledger.ports import Clock, Ledger
from registry_proxy.metrics import DoorMetrics
from registry_proxy.settings import RegistryProxySettings
from servicekit.signing import Signer

if TYPE_CHECKING:
    from servicekit.kubernetes_api import KubernetesApi


@dataclass(frozen=True)
class OpenDoor:
    """What the routes need, what keeps the aliases, and the connections to close."""

    door: Door
    aliases: AliasKeeper
    mlflow: MlflowDoor


def open_door(
    settings: RegistryProxySettings,
    ledger: Ledger,
    metrics: DoorMetrics,
    clock: Clock,
    witness: Witness | None,
) -> OpenDoor:
    """Open it; MLflow is not asked yet."""
    mlflow = MlflowDoor(settings.mlflow_url, settings.mlflow_timeout_seconds)
    standing = LedgerStanding(ledger)
    look = settings.aliases_seconds
    aliases = AliasKeeper(standing, mlflow, metrics.count_put_back, clock, look)
    metrics.aliases_stale.set_function(aliases.stale_seconds)
    return OpenDoor(Door(mlflow, standing, metrics.count_refusal, witness), aliases, mlflow)


def open_witness(
    settings: RegistryProxySettings,
    signer: Signer,
    clock: Clock,
    cluster: "KubernetesApi | None",
) -> Witness | None:
    """Return who states which image made a version: only a cluster's pods can show it."""
    if cluster is None or settings.namespace is None or settings.callers != "kubernetes":
        return None
    # A client library of 40 MB comes with it, which a laptop need not pay.
    from registry_proxy.adapters.pods import KubernetesPods  # noqa: PLC0415

    return Witness(KubernetesPods(cluster, settings.namespace), signer.sign, clock)
