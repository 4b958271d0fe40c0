"""What the door needs: what the ledger guards, and MLflow behind it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class MlflowUnavailable(Exception):
    """The tracking server does not answer as it should; asking again later may help."""


class StandingUnavailable(Exception):
    """The ledger cannot be read now; the text says why."""


class PodsUnavailable(Exception):
    """A pod cannot be looked at now; asking again later may help."""


@dataclass(frozen=True)
class StandingVersion:
    """A version that an alias is to name: its digest, and the run that it came from."""

    digest: str
    run_id: str
    artifact_path: str


@dataclass(frozen=True)
class StandingModel:
    """A model of the ledger: alias (`staging`, `shadow`, `production`) to version, and the runs
    whose artifacts must not change any more.
    """

    aliases: Mapping[str, StandingVersion]
    guarded_runs: frozenset[str]


class Standing(Protocol):
    """The ledger, as far as MLflow must follow it."""

    def models(self) -> Mapping[str, StandingModel]:
        """Return every model by name; raises StandingUnavailable."""
        ...


@dataclass(frozen=True)
class Forwarded:
    """One request as MLflow gets it; `body` is None, JSON's bytes or a stream."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes] | None


class Answer(Protocol):
    """What MLflow answered: read it once, close it always."""

    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102

    def chunks(self) -> AsyncIterator[bytes]:
        """Stream the body as it came; raises MlflowUnavailable."""
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...


class Mlflow(Protocol):
    """The tracking server. Every method may raise MlflowUnavailable."""

    async def forward(self, request: Forwarded) -> Answer:
        """Send a request on, streaming its body."""
        ...

    async def ask(
        self, method: str, call: str, members: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Make a call of `2.0/mlflow`; None where there is no such object."""
        ...


class Pods(Protocol):
    """The pods that tokens are bound to."""

    async def find(self, name: str) -> Mapping[str, Any]:
        """Return a pod's document; raises `pods.NotShown` where there is none to see, and
        PodsUnavailable.
        """
        ...
