"""Every setting of this process, read once from ISOGLOSS_REGISTRY_PROXY_*."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from servicekit.callers_settings import CallersSettings


class RegistryProxySettings(CallersSettings, env_prefix="ISOGLOSS_REGISTRY_PROXY_"):
    """Where it listens, where the ledger and the artifacts are kept, whose word counts."""

    host: str = Field("127.0.0.1", description="address it listens on")
    port: int = Field(8100, ge=0, le=65535, description="port of all routes and of /metrics")
    data_dir: Path = Field(
        description="directory of the ledger's file and the artifacts; one process at a time"
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL database of the ledger, postgresql://USER@HOST:PORT/DATABASE, that "
        "several processes may share; None: a SQLite file in the data directory",
    )
    database_password: SecretStr | None = Field(
        None, description="password of the database's user; None: it stands in the address, or none"
    )
    mlflow_url: str = Field(
        description="address of the MLflow tracking server that versions are registered from",
        pattern=r"^https?://",
    )
    trust_file: Path = Field(
        description="JSON file with the public keys that sign Evidence, by role"
    )
    signing_key_file: Path = Field(description="ed25519 private key (PEM, 0600) that signs waivers")
    events_file: Path | None = Field(
        None,
        description="JSON file (0600) that names who is told of every entry, where, and with which "
        "secret that is signed; None: nobody is",
    )
    admitted_versions: str | None = Field(
        None,
        min_length=1,
        description="AdmittedVersions object of the release's namespace, kept to the versions that "
        "the ledger lets the cluster run; None: none is kept, because there is no cluster",
    )
    artifact_store: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._/-]+)?$",
        description="s3://BUCKET/PREFIX where artifacts are kept, of this ledger alone; None: "
        "files below the data directory",
    )
    artifact_cache_bytes: int = Field(
        4 * 1024**3,
        ge=0,
        description="bytes of a bucket's files that the data directory keeps, so that they are "
        "fetched once; the least used go first",
    )
    s3_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="address of an S3-compatible store; None: AWS, as the region says",
    )
    s3_region: str = Field("us-east-1", min_length=1, description="region requests are signed for")
    s3_access_key_id: str | None = Field(
        None,
        min_length=1,
        description="key of the bucket; None: the process's own identity (AWS_ variables, a web "
        "identity, the node's role)",
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, description="secret of that key; None: as above"
    )
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
    aliases_seconds: float = Field(
        5.0,
        ge=0.5,
        le=3600,
        description="seconds between two looks at MLflow's aliases; a call per model each time",
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

    @model_validator(mode="after")
    def _a_key_has_its_secret(self) -> Self:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError(
                "ISOGLOSS_REGISTRY_PROXY_S3_ACCESS_KEY_ID and ..._S3_SECRET_ACCESS_KEY are set "
                "both or not at all"
            )
        return self

    @model_validator(mode="after")
    def _admitted_versions_have_a_namespace(self) -> Self:
        if self.admitted_versions and not self.namespace:
            raise ValueError(
                "ISOGLOSS_REGISTRY_PROXY_NAMESPACE is not set, but needed with "
                "ISOGLOSS_REGISTRY_PROXY_ADMITTED_VERSIONS"
            )
        return self
