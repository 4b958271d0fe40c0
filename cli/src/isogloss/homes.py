"""Where the local platform keeps everything: one directory, mode 0700, these names in it.

The services are told their paths by setting; only the command knows the whole layout.
"""

from dataclasses import dataclass
from pathlib import Path

from isogloss.failures import Refused

KEY_ROLES = ("gate", "drift-monitor", "rollout-controller", "registry-proxy")
"""Whoever signs Evidence, and the ledger's keeper, who signs waivers."""


@dataclass(frozen=True)
class Home:
    """The state directory of one platform (`.isogloss`, or ISOGLOSS_HOME)."""

    root: Path

    def create(self) -> None:
        """Make the directory and its parts, for its owner's eyes only."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
            for part in ("tokens", "keys", "run", "logs", "served-models", "envoy"):
                (self.root / part).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Refused(
                f"{self.root} cannot be used as the state directory: {error.strerror}; "
                "choose another with --home or ISOGLOSS_HOME"
            ) from error

    def token(self, caller: str) -> Path:
        """Return the file that holds one caller's bearer token."""
        return self.root / "tokens" / f"{caller}.token"

    def key(self, role: str) -> Path:
        """Return the private key of one role."""
        return self.root / "keys" / f"{role}.pem"

    def log(self, process: str) -> Path:
        """Return the log file of one process."""
        return self.root / "logs" / f"{process}.log"

    def record(self, process: str) -> Path:
        """Return the file that says which pid a process has."""
        return self.root / "run" / f"{process}.json"

    @property
    def callers(self) -> Path:
        """Return the file of token hashes and roles that services read."""
        return self.root / "callers.json"

    @property
    def trust(self) -> Path:
        """Return the file of public keys by role."""
        return self.root / "keys" / "trust.json"

    @property
    def fingerprint_key(self) -> Path:
        """Return the key of the texts' keyed fingerprints."""
        return self.root / "fingerprint.key"

    @property
    def addresses(self) -> Path:
        """Return the file that remembers the ports of `up`."""
        return self.root / "ports.json"

    @property
    def served_models(self) -> Path:
        """Return the directory that the rollout-controller watches."""
        return self.root / "served-models"

    @property
    def artifact_cache(self) -> Path:
        """Return the predictors' cache of artifacts by digest."""
        return self.root / "cache" / "artifacts"
