"""Every setting of this process, read once from ISOGLOSS_REGISTRY_PROXY_*."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from servicekit.settings import ServiceSettings


class RegistryProxySettings(ServiceSettings, env_prefix="ISOGLOSS_REGISTRY_PROXY_"):
    """Where it listens, where the ledger and the artifacts are kept, whose word counts."""

    host: str = Field("127.0.0.1", description="address it listens on")
    port: int = Field(8100, ge=0, le=65535, description="port of all routes and of /metrics")
    data_dir: Path = Field(
        description="directory of the ledger's file and the artifacts; one process at a time"
    )
    mlflow_url: str = Field(
        description="address of the MLflow tracking server that versions are registered from",
        pattern=r"^https?://",
    )
    callers_file: Path = Field(description="file (0600) with the hashes of its callers' tokens")
    trust_file: Path = Field(
        description="JSON file with the public keys that sign Evidence, by role"
    )
    signing_key_file: Path = Field(description="ed25519 private key (PEM, 0600) that signs waivers")
    artifact_limit_bytes: int = Field(
        2 * 1024**3,
        ge=1024,
        description="bytes one artifact may have, so that a run cannot fill the disk",
    )
    body_limit_bytes: int = Field(
        4 * 1024**2,
        ge=1024,
        description="bytes one request's body may have; Evidence with many labels is the largest",
    )
    mlflow_timeout_seconds: float = Field(
        30.0, gt=0, le=600, description="seconds without a byte after which MLflow counts as down"
    )
    shutdown_delay_seconds: float = Field(
        0.0,
        ge=0,
        le=300,
        description="seconds it serves on after SIGTERM, for routers to notice",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level of its JSON log lines"
    )
