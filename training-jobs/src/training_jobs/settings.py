"""Settings of the jobs, read once from the environment; a job's options come before them."""

import os
from pathlib import Path

from pydantic import Field

from servicekit.settings import ServiceSettings

_OF_KUBERNETES = Path("/dev/termination-log")


class TrainingSettings(ServiceSettings, env_prefix="ISOGLOSS_TRAINING_JOBS_"):
    """What the jobs need to know of the world around them."""

    home: Path = Field(
        default_factory=lambda: Path(os.environ.get("ISOGLOSS_HOME", ".isogloss")),
        description="directory for data, caches, tokens and keys; ISOGLOSS_HOME, else .isogloss",
    )
    tracking_uri: str | None = Field(
        default_factory=lambda: os.environ.get("MLFLOW_TRACKING_URI"),
        description="address that runs are logged to; MLFLOW_TRACKING_URI, else None: the "
        "registry-proxy, which alone is given our token",
    )
    registry_url: str = Field(
        "http://127.0.0.1:8100", description="registry-proxy's address; the local platform's"
    )
    monitor_url: str = Field(
        "http://127.0.0.1:8200", description="drift-monitor's address; the local platform's"
    )
    token_file: Path | None = Field(
        None,
        description="bearer token file; None: tokens/trainer.token or tokens/gate.token in home",
    )
    signing_key_file: Path | None = Field(
        None, description="the gate's private key, PEM; None: keys/gate.pem in home"
    )
    commit: str | None = Field(
        None, description="commit of the project; None: asked of git in the project's directory"
    )
    image: str = Field(
        "none", description="digest of the image this job runs in; none: not run from an image"
    )
    last_word_file: Path | None = Field(
        default_factory=lambda: _OF_KUBERNETES if _OF_KUBERNETES.exists() else None,
        description="file for the result or the refusal, 4096 bytes at most, which Kubernetes "
        "shows as the container's message; /dev/termination-log where there is one, else None",
    )

    @property
    def data(self) -> Path:
        """Where data sets lie prepared."""
        return self.home / "data"

    @property
    def package_cache(self) -> Path:
        """Where fetched package files are kept, by their sha256."""
        return self.home / "cache" / "packages"

    def token_of(self, caller: str) -> Path:
        """Return the token file to use as `caller`."""
        return self.token_file or self.home / "tokens" / f"{caller}.token"

    @property
    def signing_key(self) -> Path:
        """Return the gate's key file."""
        return self.signing_key_file or self.home / "keys" / "gate.pem"
