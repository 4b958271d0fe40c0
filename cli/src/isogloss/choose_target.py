"""Which platform the options mean."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isogloss.adapters.kubectl import Access, Kubectl
from isogloss.cluster.releases import Release
from isogloss.cluster.target import Cluster
from isogloss.failures import Misused
from isogloss.homes import Home
from isogloss.targets import Target
from isogloss.this_machine import ThisMachine


class Where(StrEnum):
    """The two kinds of platform."""

    LOCAL = "local"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class ClusterOptions:
    """What says which release is meant; None is kubectl's or the release's own default."""

    context: str | None
    namespace: str | None
    kubeconfig: Path | None
    release: str
    project_image: str | None


def choose_target(
    where: Where, home: Path, options: ClusterOptions, stated: Sequence[str]
) -> Target:
    """Return the platform; Misused where `stated`, options of a cluster, come without one."""
    state = Home(home.expanduser().resolve())
    if where is Where.LOCAL:
        if stated:
            raise Misused(
                f"{', '.join(stated)} is said of a cluster: add --cluster, or set "
                "ISOGLOSS_TARGET=cluster"
            )
        return ThisMachine(state)
    # kubectl's children must end with this process, whoever ends it (nohup: nobody's hang-up).
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    kubeconfig = str(options.kubeconfig.expanduser()) if options.kubeconfig else None
    access = Access(options.context, options.namespace, kubeconfig)
    return Cluster(Kubectl(access), Release(options.release), options.project_image, state)
