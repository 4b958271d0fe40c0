"""The admitted versions as a custom resource, which the cluster's admission policy reads.

The chart makes it and lets only this service write it; no right to create or delete one is needed.
"""

from collections.abc import Mapping
from typing import Any

from registry_proxy.ledger.ports import AdmittedUnavailable
from servicekit.kubernetes_api import KubernetesApi, KubernetesFault, ObjectMissing, grouped


class AdmittedObject:
    """Implements `ledger.ports.AdmittedVersions` on the data of one AdmittedVersions object."""

    def __init__(self, api: KubernetesApi, namespace: str, name: str) -> None:
        self._api = api
        self._path = grouped("isogloss.dev/v1alpha1", namespace, "admittedversions", name)
        self._named = f"AdmittedVersions {namespace}/{name}"

    async def put(self, wanted: Mapping[str, str]) -> bool:
        """Change the entries that differ, in one write that fails where somebody else wrote."""
        try:
            held = await self._api.get(self._path)
            found: Mapping[str, str] = held.get("data") or {}
            if found == wanted:
                return False
            await self._api.merge(self._path, _patch(held, found, wanted))
        except ObjectMissing as missing:
            raise AdmittedUnavailable(
                f"{self._named} is missing: helm upgrade makes it again"
            ) from missing
        except KubernetesFault as fault:
            raise AdmittedUnavailable(f"{self._named}: {fault}") from fault
        return True


def _patch(
    held: Mapping[str, Any], found: Mapping[str, str], wanted: Mapping[str, str]
) -> dict[str, Any]:
    stale = {key: None for key in found if key not in wanted}
    new = {key: value for key, value in wanted.items() if found.get(key) != value}
    version = {"resourceVersion": held["metadata"]["resourceVersion"]}
    return {"metadata": version, "data": {**stale, **new}}
