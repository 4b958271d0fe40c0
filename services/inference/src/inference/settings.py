"""The settings of this process, each with its unit, its reason and what None means."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from servicekit.settings import CommaList, ServiceSettings

_ADDRESS = re.compile(r"isogloss://(?P<model>[a-z][a-z0-9-]{0,62})@(?P<digest>sha256:[0-9a-f]{64})")
_SLICE_KEY = re.compile(r"[a-z][a-z0-9-]{0,31}")
_URL = r"^https?://[^\s/]+(/[^\s]*)?$"


class InferenceSettings(ServiceSettings, env_prefix="ISOGLOSS_INFERENCE_"):
    """Everything that can be set about a process that serves one ModelVersion."""

    model: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="name of the Model, as it stands in the paths of the requests",
    )
    artifact: str = Field(
        min_length=1,
        description="the ModelVersion: isogloss://MODEL@sha256:<64 hex digits>, fetched from the "
        "registry-proxy, or the path of an artifact's directory",
    )
    registry_url: str | None = Field(
        None,
        pattern=_URL,
        description="registry-proxy the artifact is fetched from; None when it is a directory",
    )
    cache_dir: Path | None = Field(
        None,
        description="directory that keeps fetched artifacts by digest, so that a restart needs "
        "no registry; None when the artifact is a directory",
    )
    token_file: Path | None = Field(
        None,
        description="file (mode 0600) with the token for the registry-proxy and the drift-monitor; "
        "None when neither is called",
    )
    drift_monitor_url: str | None = Field(
        None,
        pattern=_URL,
        description="drift-monitor that gets the prediction events; None: none are made",
    )
    fingerprint_key_file: Path | None = Field(
        None,
        description="file (mode 0600) with the key of the texts' fingerprints, the same for all "
        "versions of a model, or pairs could not be joined; None when no events are made",
    )
    host: str = Field("127.0.0.1", description="address both ports listen on")
    port: int = Field(8400, ge=0, le=65535, description="port of the predictions; 0: a free one")
    metrics_port: int = Field(
        8401,
        ge=0,
        le=65535,
        description="port of /metrics, /livez and /readyz, apart from the predictions so that no "
        "public route reaches it; 0: a free one",
    )
    grpc_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port of the Open Inference Protocol over gRPC, which costs more than REST and "
        "needs isogloss-inference[grpc]; 0: a free one; None: there is none",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="processes that serve the version on the one port, sharing its memory; one a "
        "core, and 1 where replicas are what grows. Limits and queues are each worker's",
    )
    queue_limit: int = Field(
        64,
        ge=1,
        le=10_000,
        description="requests that may wait for the scorer before the next is answered 503; 64 "
        "wait about 0.1 s for a linear model",
    )
    slo_milliseconds: float = Field(
        150.0,
        gt=0,
        le=60_000,
        description="latency objective in milliseconds: an exact bucket of the latency histogram",
    )
    slices: CommaList = Field(
        (),
        max_length=14,
        description="keys of Slices that callers may name by x-slice-KEY headers, comma separated, "
        "at most 14",
    )
    body_limit_bytes: int = Field(
        1_048_576, ge=1, description="largest request body in bytes; above it 413"
    )
    head_limit_bytes: int = Field(
        32_768,
        ge=1024,
        description="largest first line and headers of a request in bytes; above it 431",
    )
    arrival_seconds: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="seconds in which a request must arrive from its first byte to its last, or it "
        "is answered 408; as long a new connection may be silent and an answer be left unread",
    )
    connections_limit: int = Field(
        900,
        ge=1,
        description="open connections; one more takes the place of the one idle for longest, or "
        "is answered 503; 900 and what else is open fit into 1024 files, a usual limit",
    )
    text_limit_characters: int = Field(
        20_000, ge=1, description="longest text in characters; above it 422"
    )
    texts_limit: int = Field(256, ge=1, description="most texts in a request; above it 422")
    event_queue_limit: int = Field(
        10_000,
        ge=1,
        description="prediction events that may wait for the drift-monitor; more are dropped and "
        "counted, so that a prediction never waits",
    )
    shutdown_delay_seconds: float = Field(
        5.0,
        ge=0,
        le=600,
        description="seconds requests are still served after SIGTERM, until routers have noticed",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level of the log"
    )

    @property
    def digest(self) -> str | None:
        """The digest the artifact's address names; None when it is a directory."""
        return digest_of(self.artifact)

    @field_validator("artifact")
    @classmethod
    def _is_address_or_path(cls, artifact: str) -> str:
        if artifact.startswith("isogloss:") and digest_of(artifact) is None:
            raise ValueError("must be isogloss://MODEL@sha256:<64 hex digits> or a directory")
        return artifact

    @field_validator("slices")
    @classmethod
    def _are_keys(cls, slices: tuple[str, ...]) -> tuple[str, ...]:
        for key in slices:
            if not _SLICE_KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no key: lower-case letters, digits and -, up to 32")
        return slices

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        address = _ADDRESS.fullmatch(self.artifact)
        if address and address["model"] != self.model:
            raise ValueError(
                f"ISOGLOSS_INFERENCE_ARTIFACT names the model {address['model']!r}, "
                f"ISOGLOSS_INFERENCE_MODEL {self.model!r}: they must be the same"
            )
        if address:
            self._require("ARTIFACT", "registry_url", "cache_dir", "token_file")
        if self.workers > 1 and self.grpc_port == 0:
            raise ValueError(
                "ISOGLOSS_INFERENCE_GRPC_PORT is 0, which would be another port for each of "
                f"ISOGLOSS_INFERENCE_WORKERS={self.workers}: name one"
            )
        if self.drift_monitor_url:
            self._require("DRIFT_MONITOR_URL", "token_file", "fingerprint_key_file")
        return self

    def _require(self, because: str, *fields: str) -> None:
        for field in fields:
            if getattr(self, field) is None:
                raise ValueError(
                    f"ISOGLOSS_INFERENCE_{field.upper()} is not set, but needed with "
                    f"ISOGLOSS_INFERENCE_{because} as it is"
                )


class FetchSettings(ServiceSettings, env_prefix="ISOGLOSS_FETCH_"):
    """Everything that can be set about `python -m inference.fetch`."""

    registry_url: str = Field(
        pattern=_URL, description="registry-proxy the artifact is fetched from"
    )
    token_file: Path = Field(description="file with the token for the registry-proxy (mode 0600)")
    patience_seconds: float = Field(
        300.0,
        ge=0,
        description="seconds a registry-proxy that cannot be reached is asked again before the "
        "process ends with status 3; what it has downloaded stays for the next start",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level of the log"
    )


def digest_of(address: str) -> str | None:
    """Return the digest in isogloss://MODEL@sha256:<64 hex digits>; None when it is no address."""
    match = _ADDRESS.fullmatch(address)
    return match["digest"] if match else None
