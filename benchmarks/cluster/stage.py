"""The release that is measured: two versions that can change places, and users' load."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bars import tell

from kube import kubectl
from load import NAMESPACE, Load, Users
from release import Release
from sentiment import MODEL, apply_project, back_to_staging, staged

CLUSTER_TESTS = Path(__file__).resolve().parents[2] / "tests" / "cluster"
GATEWAY = "models/models"


@dataclass(frozen=True)
class Stage:
    """A release under measurement. `first` is in PRODUCTION, `second` was offered."""

    release: Release
    users: Users
    first: str
    second: str
    first_answer_seconds: float

    def reset(self, **spec: Any) -> None:
        """Bring the first version back to PRODUCTION and the second to STAGING."""
        apply_project(self.release, self.users.host, **{"bakeSeconds": 5, **spec})
        if self.release.production(MODEL) != self.first:
            # A gateway that is still coming back takes its time; nothing has to be asked for again.
            self.release.ask_back(MODEL, "the next measurement begins")
            self.release.await_phase(MODEL, "ROLLED_BACK")
        back_to_staging(self.release, self.second)

    @contextmanager
    def loaded(self, rate: int) -> Iterator[Load]:
        """Users' load while the block runs."""
        running = self.users.start(rate)
        try:
            yield running
        finally:
            if not running.ended:
                running.stop()


@contextmanager
def set_up() -> Iterator[Stage]:
    """Install the release, serve a first version, offer a second; undo all of it at the end."""
    release = Release("isogloss-bench", GATEWAY, CLUSTER_TESTS / "e2e-values.yaml")
    path = "jsonpath={.status.addresses[0].value}"
    namespace, name = GATEWAY.split("/")
    address = kubectl(
        "get", f"gateways.gateway.networking.k8s.io/{name}", "-n", namespace, "-o", path
    )
    users = Users(address, "sentiment.bench.example")
    metadata = {"name": NAMESPACE}
    kubectl(
        "apply", "-f", "-", document={"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    )
    try:
        release.install()
        apply_project(release, users.host, bakeSeconds=5)
        first = staged(release, 1500).digest
        release.roll_out(MODEL, first)
        release.await_phase(MODEL, "SUCCEEDED")
        users.start(10).stop()
        answered = time.time() - release.seen["install"]
        yield Stage(release, users, first, staged(release, 4000).digest, answered)
    finally:
        release.uninstall()
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def failed(counts: Mapping[str, Any]) -> int:
    """Return how many requests failed; tell which way, and what was not sent.

    What the generator itself could not send in time is no request of the model's.
    """
    ways = {status: n for status, n in counts["by_status"].items() if status != "200"}
    ways |= counts["unanswered"]
    ways |= {"not sent in time": counts["not_sent"]} if counts["not_sent"] else {}
    if ways:
        tell("failed: " + ", ".join(f"{n} {way}" for way, n in ways.items()))
    return int(counts["failures"])


def sent(counts: Mapping[str, Any]) -> str:
    """Say how many requests were sent, and how many could not be in time."""
    missed = f", {counts['not_sent']} more not sent in time" if counts["not_sent"] else ""
    return f"{counts['requests']} production requests{missed}"


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
