"""Every setting of this process, read once from ISOGLOSS_DRIFT_MONITOR_*."""

from pathlib import Path

from pydantic import Field, SecretStr

from servicekit.callers_settings import CallersSettings


class DriftMonitorSettings(CallersSettings, env_prefix="ISOGLOSS_DRIFT_MONITOR_"):
    """Where it listens, what it keeps, how long a Window is."""

    host: str = Field("127.0.0.1", description="address it listens on")
    port: int = Field(8200, ge=0, le=65535, description="port of all routes and of /metrics")
    data_dir: Path = Field(
        description="directory of the journal, the database and cached References"
    )
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://USER@HOST:PORT/DATABASE that several replicas share; None: "
        "SQLite in the data directory, for one process",
    )
    database_password: SecretStr | None = Field(
        None, description="password for it; None: as the address and PostgreSQL's files say"
    )
    registry_url: str = Field(
        description="address of the registry-proxy, from which References are fetched by digest",
        pattern=r"^https?://",
    )
    token_file: Path = Field(
        description="file (0600) with this process's token for the registry; read again when it "
        "changes",
    )
    signing_key_file: Path = Field(
        description="ed25519 private key (PEM, 0600) that signs shadow Evidence"
    )
    logger_key_file: Path | None = Field(
        None,
        description="file (0600) with the key in the address /v1/logger/KEY that KServe's logger "
        "sends its CloudEvents to, for runtimes that report no events; None: no such route",
    )
    window_seconds: float = Field(
        3600.0,
        ge=1,
        le=7 * 86400,
        description="seconds of traffic that are tested together; a slice with fewer than "
        "200 rows by then rolls into the next Window",
    )
    finding_budget: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="false findings that a Model may have in twelve weeks, all its Slices and "
        "signals together; more is more sensitive",
    )
    pair_lag_seconds: float = Field(
        5.0,
        ge=0.1,
        le=600,
        description="seconds after which a Baseline answer without a Candidate answer is missing; "
        "longer than a predictor keeps events before it sends them",
    )
    queue_limit: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="event batches that may wait (500 rows each at most) before senders get 503",
    )
    pair_limit: int = Field(
        100_000,
        ge=1000,
        le=10_000_000,
        description="Baseline answers kept for one pairing; a decision needs a fifth of that, "
        "and further ones are counted, not kept",
    )
    retention_days: float = Field(
        30.0,
        ge=1,
        le=3650,
        description="days that labels, lists, buckets, pairings and findings are kept",
    )
    labelling_seconds: float = Field(
        604_800.0,
        ge=1,
        le=92 * 86_400,
        description="seconds of traffic of which one list of rows to label is drawn; a multiple "
        "of WINDOW_SECONDS",
    )
    accuracy_loss: float = Field(
        0.03,
        gt=0,
        lt=1,
        description="accuracy that a version may lose against its Reference before users are "
        "harmed, as a share; 3 points are seen in a week's labels, less hardly",
    )
    shutdown_delay_seconds: float = Field(
        0.0,
        ge=0,
        le=300,
        description="seconds it still serves after SIGTERM, for routers to notice",
    )
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="least level that is logged"
    )
