"""Which callers a service listens to: the settings that three services share, and what they open.

A file on one machine, the Kubernetes API in a cluster, an OpenID Connect issuer instead of them or
beside them. The service's own prefix stands before each name.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from servicekit.callers import Callers, TokenFile
from servicekit.issuer_keys import IssuerKeys, KeySource, is_private_way
from servicekit.oidc_callers import EitherCallers, OidcCallers
from servicekit.settings import CommaList, ServiceSettings, env_names
from servicekit.token_claims import KEY_KINDS, TokenRules

if TYPE_CHECKING:
    from servicekit.kubernetes_api import KubernetesApi


ROLES = (
    *("viewer", "operator", "approver", "trainer", "gate"),
    *("predictor", "drift-monitor", "rollout-controller"),
)
"""Every role that a route asks for."""


class ClusterUnknown(Exception):
    """Nothing here says where the cluster's API server is; the text says what was looked for."""


class CallersSettings(ServiceSettings):
    """Fields of a service's settings that say whose calls it takes."""

    callers: Literal["file", "kubernetes", "issuer"] = Field(
        "file",
        description="who its callers are: those of a file, a cluster's ServiceAccounts, or only "
        "those of callers_issuer",
    )
    callers_file: Path | None = Field(
        None,
        description="file (0600) with the hashes of its callers' tokens; None: no file is read, "
        "because the cluster knows the callers",
    )
    callers_audience: str = Field(
        "isogloss",
        min_length=1,
        description="audience that a ServiceAccount's or an issuer's token must be made for, so "
        "that one for the API server is worth nothing here",
    )
    callers_issuer: str | None = Field(
        None,
        description="address of an OpenID Connect issuer whose tokens count, too; https, or on "
        "this machine; None: there is none",
    )
    callers_issuer_keys: str | None = Field(
        None,
        description="address or file of the issuer's public keys (JWKS); None: its discovery "
        "document says",
    )
    callers_issuer_roles: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description='JSON object of CLAIM=VALUE to roles: {"groups=leads": ["operator"]}',
    )
    callers_issuer_algorithms: CommaList = Field(
        ("RS256", "ES256"), description="how the issuer may sign; asymmetric algorithms only"
    )
    callers_issuer_ca_file: Path | None = Field(
        None, description="CA of the issuer's address (PEM); None: the system's"
    )
    callers_issuer_token_file: Path | None = Field(
        None, description="token for reading the issuer's keys; None: everybody may read them"
    )
    namespace: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="namespace of the release, whose Roles say what a caller may act as; None: "
        "it does not run in a cluster",
    )

    @field_validator("callers_issuer")
    @classmethod
    def _nobody_can_answer_for_the_issuer(cls, value: str | None) -> str | None:
        if value is not None and not is_private_way(value):
            raise ValueError("an https address is expected, or one on this machine")
        return value

    @field_validator("callers_issuer_roles")
    @classmethod
    def _roles_are_known(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for condition, roles in value.items():
            if "=" not in condition.strip("=") or not set(roles) <= set(ROLES):
                raise ValueError(f"CLAIM=VALUE to a list of {', '.join(ROLES)} is expected")
        return value

    @field_validator("callers_issuer_algorithms")
    @classmethod
    def _algorithms_are_asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(KEY_KINDS):
            raise ValueError(f"some of {', '.join(KEY_KINDS)} are expected")
        return value

    @model_validator(mode="after")
    def _callers_can_be_found(self) -> Self:
        needed = _NEEDED[self.callers]
        if getattr(self, needed) is None:
            names = env_names(type(self))
            raise ValueError(
                f"{names[needed]} is not set, but needed with {names['callers']}={self.callers}"
            )
        return self


_NEEDED = {"file": "callers_file", "kubernetes": "namespace", "issuer": "callers_issuer"}


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
    """Return the callers that the settings name; `api` is needed for a cluster's only.

    Raises FileRefused.
    """
    if settings.callers_issuer is None:
        return _open_others(settings, api)
    of_issuer = _open_issuer(settings, settings.callers_issuer)
    if settings.callers == "issuer":
        return of_issuer
    return EitherCallers(settings.callers_issuer, of_issuer, _open_others(settings, api))


def _open_issuer(settings: CallersSettings, issuer: str) -> Callers:
    algorithms = settings.callers_issuer_algorithms
    source = KeySource(
        issuer,
        settings.callers_issuer_keys,
        settings.callers_issuer_ca_file,
        settings.callers_issuer_token_file,
    )
    rules = TokenRules(issuer, settings.callers_audience, algorithms)
    keys = IssuerKeys(source, algorithms, time.monotonic)
    return OidcCallers(rules, keys, settings.callers_issuer_roles, time.time)


def _open_others(settings: CallersSettings, api: "KubernetesApi | None") -> Callers:
    if settings.callers == "file":
        assert settings.callers_file is not None  # noqa: S101 - the validator above saw to it
        return TokenFile(settings.callers_file)
    from servicekit.kubernetes_callers import KubernetesCallers  # noqa: PLC0415 - as in connect

    assert api is not None  # noqa: S101 - the caller opened it for this
    assert settings.namespace is not None  # noqa: S101 - as above
    return KubernetesCallers(api, settings.namespace, settings.callers_audience, time.monotonic)
