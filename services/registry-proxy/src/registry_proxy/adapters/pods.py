"""The pods of the release's namespace, one at a time, as the API server has them."""

from collections.abc import Mapping
from typing import Any

from registry_proxy.door.pods import NotShown
from registry_proxy.door.ports import PodsUnavailable
from servicekit.kubernetes_api import (
    ApiRefused,
    KubernetesApi,
    KubernetesFault,
    ObjectMissing,
    core,
)


class KubernetesPods:
    """Implements `door.ports.Pods`."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def find(self, name: str) -> Mapping[str, Any]:
        """Return a pod's document; raises NotShown, PodsUnavailable."""
        try:
            return await self._api.get(core(self._namespace, "pods", name))
        except ObjectMissing as missing:
            raise NotShown(f"its pod {name} is not in {self._namespace}") from missing
        except ApiRefused as refused:
            raise NotShown(f"its pod may not be read: {refused}") from refused
        except KubernetesFault as fault:
            raise PodsUnavailable(f"pod {name} cannot be read now: {fault}") from fault
