"""Which callers a service listens to: the settings that three services share, and what they open.

A file on one machine, the Kubernetes API in a cluster. The service's own prefix stands before each
name.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from servicekit.callers import Callers, TokenFile
from servicekit.settings import ServiceSettings, env_names

if TYPE_CHECKING:
    from servicekit.kubernetes_api import KubernetesApi


class ClusterUnknown(Exception):
    """Nothing here says where the cluster's API server is; the text says what was looked for."""


class CallersSettings(ServiceSettings):
    """Fields of a service's settings that say whose calls it takes."""

    callers: Literal["file", "kubernetes"] = Field(
        "file", description="who its callers are: those of a file, or a cluster's ServiceAccounts"
    )
    callers_file: Path | None = Field(
        None,
        description="file (0600) with the hashes of its callers' tokens; None: no file is read, "
        "because the cluster knows the callers",
    )
    callers_audience: str = Field(
        "isogloss",
        min_length=1,
        description="audience that a ServiceAccount's token must be made for, so that one for the "
        "API server is worth nothing here",
    )
    namespace: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="namespace of the release, whose Roles say what a caller may act as; None: "
        "it does not run in a cluster",
    )

    @model_validator(mode="after")
    def _callers_can_be_found(self) -> Self:
        needed = "callers_file" if self.callers == "file" else "namespace"
        if getattr(self, needed) is None:
            names = env_names(type(self))
            raise ValueError(
                f"{names[needed]} is not set, but needed with {names['callers']}={self.callers}"
            )
        return self


def connect(field_manager: str) -> "KubernetesApi":
    """Return a client of the cluster that this process runs in, or else that KUBECONFIG names.

    For use before the event loop runs; nothing is asked yet. Raises ClusterUnknown.
    """
    # The client library costs 40 MB and half a second, which a laptop need not pay.
    from servicekit.kubernetes_api import ApiUnreachable, KubernetesApi  # noqa: PLC0415

    try:
        return asyncio.run(KubernetesApi.open(field_manager))
    except ApiUnreachable as error:
        raise ClusterUnknown(f"The cluster cannot be asked: {error}.") from error


def open_callers(settings: CallersSettings, api: "KubernetesApi | None") -> Callers:
    """Return the callers that the settings name; `api` may be None where that is a file.

    Raises FileRefused.
    """
    if settings.callers == "file":
        assert settings.callers_file is not None  # noqa: S101 - the validator above saw to it
        return TokenFile(settings.callers_file)
    from servicekit.kubernetes_callers import KubernetesCallers  # noqa: PLC0415 - as in connect

    assert api is not None  # noqa: S101 - the caller opened it for this
    assert settings.namespace is not None  # noqa: S101 - as above
    return KubernetesCallers(api, settings.namespace, settings.callers_audience, time.monotonic)
