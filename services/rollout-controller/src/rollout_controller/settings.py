"""Every setting of this process, read once from ISOGLOSS_ROLLOUT_CONTROLLER_*."""

from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator

from servicekit.callers_settings import CallersSettings
from servicekit.settings import env_names

_URL = r"^https?://[^\s/]+(/[^\s]*)?$"
_NEEDED = {
    "local": (
        "served_models_dir",
        "envoy_dir",
        "predictor_token_file",
        "fingerprint_key_file",
        "artifact_cache_dir",
        "run_dir",
        "log_dir",
    ),
    "kubernetes": ("namespace", "instance", "pod_name", "gateway"),
}
_Value = TypeVar("_Value")


def given(value: _Value | None) -> _Value:
    """Return a setting of the chosen platform, which the validator saw to be there."""
    assert value is not None  # noqa: S101 - narrows the type
    return value


class RolloutControllerSettings(CallersSettings, env_prefix="ISOGLOSS_ROLLOUT_CONTROLLER_"):
    """Where its neighbours are, where it keeps its files, and how patient it is."""

    platform: Literal["local", "kubernetes"] = Field(
        "local",
        description="what is under it: processes and an Envoy of this machine, or KServe and the "
        "Gateway API; only that one's settings are needed",
    )
    host: str = Field("127.0.0.1", description="address it listens on")
    port: int = Field(8300, ge=0, le=65535, description="port of all routes and of /metrics")
    registry_url: str = Field(pattern=_URL, description="address of the registry-proxy")
    drift_monitor_url: str = Field(pattern=_URL, description="address of the drift-monitor")
    token_file: Path = Field(
        description="file (0600) with this process's token for the registry and the drift-monitor"
    )
    signing_key_file: Path = Field(
        description="ed25519 private key (PEM, 0600) that signs canary Evidence"
    )
    served_models_dir: Path | None = Field(
        None, description="local: directory of ServedModel files, watched"
    )
    state_dir: Path = Field(
        description="directory of the journal: predictors' ports and the counts of a step"
    )
    instance: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$",
        description="kubernetes: what the names of the release's objects begin with; its Lease is "
        "INSTANCE-rollout-controller",
    )
    pod_name: str | None = Field(
        None, min_length=1, description="kubernetes: this pod's name, which stands in the Lease"
    )
    gateway: str | None = Field(
        None,
        pattern=r"^[^/\s]+/[^/\s]+$",
        description="kubernetes: namespace/name of the Gateway that routes are attached to",
    )
    gateway_address: str | None = Field(
        None,
        min_length=1,
        description="kubernetes: address at which this process reaches that Gateway, for probe "
        "requests of its mirror; None: the first one in the Gateway's status",
    )
    gateway_statistics: str | None = Field(
        None,
        pattern=r"^[^\s/]+:[0-9]{1,5}$",
        description="kubernetes: host:port at whose every address one of that Gateway's Envoys "
        "shows its statistics (a headless Service); None: what a mirror of less than 100 % copied "
        "is not known, so no such shadow PASSes",
    )
    gateway_host: str = Field("127.0.0.1", description="local: address that Envoy listens on")
    gateway_port: int = Field(8080, ge=1, le=65535, description="local: port that callers send to")
    gateway_admin_port: int = Field(
        9901, ge=1, le=65535, description="local: port of Envoy's admin page, on loopback only"
    )
    gateway_timeout_seconds: float = Field(
        10.0,
        gt=0,
        le=600,
        description="seconds after which the gateway answers 504; it never tries again by itself, "
        "because a second try would hide a Candidate's faults",
    )
    envoy_dir: Path | None = Field(
        None, description="local: directory of Envoy's files, also the route's memory"
    )
    predictor_port_from: int = Field(
        8400,
        ge=1024,
        le=65000,
        description="local: lowest port that a predictor may get; it takes two",
    )
    predictor_token_file: Path | None = Field(
        None, description="local: file (0600) with the predictors' token for artifacts and events"
    )
    fingerprint_key_file: Path | None = Field(
        None,
        description="local: file (0600) with the key of the texts' fingerprints, for predictors",
    )
    artifact_cache_dir: Path | None = Field(
        None, description="local: directory where predictors keep artifacts"
    )
    run_dir: Path | None = Field(
        None, description="local: directory of the predictors' pid and start-time files"
    )
    log_dir: Path | None = Field(None, description="local: directory of the predictors' logs")
    interval_seconds: float = Field(
        1.0,
        ge=0.05,
        le=60,
        description="seconds between two looks at a model; a canary's fault is seen within one",
    )
    evidence_seconds: float = Field(
        2.0,
        ge=0.05,
        le=3600,
        description="seconds between two questions whether a Gate PASSes; each makes Evidence",
    )
    pairing_delay_seconds: float = Field(
        1.0,
        ge=0,
        le=60,
        description="seconds after the mirror is in effect from which answers are paired, so "
        "that requests in flight at that moment do not count as missing",
    )
    load_limit_seconds: float = Field(
        300.0,
        ge=1,
        le=86_400,
        description="seconds in which a version must be loaded and warm, else its Rollout ends",
    )
    unready_limit_seconds: float = Field(
        5.0,
        ge=0,
        le=600,
        description="seconds that a Candidate may be unready while users are sent to it",
    )
    request_timeout_seconds: float = Field(
        2.0,
        gt=0,
        le=60,
        description="seconds that the registry-proxy and the drift-monitor have for an answer; "
        "a look at a canary may be late by that much",
    )
    stop_grace_seconds: float = Field(
        10.0, ge=0, le=600, description="local: seconds from SIGTERM to SIGKILL for a predictor"
    )
    shutdown_delay_seconds: float = Field(
        0.0, ge=0, le=600, description="seconds it still serves after SIGTERM, for routers"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged, also by the predictors it starts"
    )

    @model_validator(mode="after")
    def _platform_is_whole(self) -> Self:
        names = env_names(type(self))
        missing = [names[name] for name in _NEEDED[self.platform] if getattr(self, name) is None]
        if missing:
            chosen = f"{names['platform']}={self.platform}"
            raise ValueError(f"with {chosen} these are needed and not set: {', '.join(missing)}")
        return self
