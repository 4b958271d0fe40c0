"""What the local platform consists of: each process's command, settings and readiness page.

Pure: nothing is started here. Predictors are not in the list; the rollout-controller starts them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isogloss.addresses import Addresses
from isogloss.homes import Home


@dataclass(frozen=True)
class Launch:
    """One process to start. `ports` names the ports it takes, in `Addresses`."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready_url: str
    ports: tuple[str, ...]


@dataclass(frozen=True)
class PlatformOptions:
    """What may differ between two platforms beside home and ports; None is the service's own
    default (a day-sized one for the drift window, in seconds).
    """

    drift_window_seconds: float | None = None
    log_level: str = "info"


STOP_ORDER = ("rollout-controller", "envoy", "*", "drift-monitor", "registry-proxy", "mlflow")
"""The controller first, or it would start again what is stopped; `*` stands for predictors and
jobs; the services that those report to come after them."""


def platform_launches(home: Home, addresses: Addresses, options: PlatformOptions) -> list[Launch]:
    """Return every process of the platform in the order in which they are started."""
    return [
        _mlflow(home, addresses),
        _registry_proxy(home, addresses, options),
        _drift_monitor(home, addresses, options),
        _rollout_controller(home, addresses, options),
    ]


def envoy_launch(home: Home, addresses: Addresses, binary: Path) -> Launch:
    """Return the gateway; it starts from the files that the rollout-controller wrote."""
    command = (str(binary), "-c", str(home.root / "envoy" / "bootstrap.yaml"))
    quiet = ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
    ready_url = addresses.url("envoy-admin") + "/ready"
    return Launch("envoy", (*command, *quiet), {}, ready_url, ("gateway", "envoy-admin"))


def _mlflow(home: Home, addresses: Addresses) -> Launch:
    folder = home.root / "mlflow"
    port = str(addresses.ports["mlflow"])
    command = (
        *(sys.executable, "-m", "mlflow", "server", "--host", addresses.host, "--port", port),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"),
        *("--allowed-hosts", f"{addresses.host}:{port},localhost:{port}"),
    )
    # Its job runner (evaluations of prompts, scheduled traces) is four idle processes here.
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return Launch("mlflow", command, environment, addresses.url("mlflow") + "/health", ("mlflow",))


def _registry_proxy(home: Home, addresses: Addresses, options: PlatformOptions) -> Launch:
    settings = {
        "DATA_DIR": home.root / "registry",
        "MLFLOW_URL": addresses.url("mlflow"),
        "CALLERS_FILE": home.callers,
        "TRUST_FILE": home.trust,
        "SIGNING_KEY_FILE": home.key("registry-proxy"),
    }
    return _service("registry-proxy", settings, addresses, options)


def _drift_monitor(home: Home, addresses: Addresses, options: PlatformOptions) -> Launch:
    settings: dict[str, object] = {
        "DATA_DIR": home.root / "drift",
        "REGISTRY_URL": addresses.url("registry-proxy"),
        "TOKEN_FILE": home.token("drift-monitor"),
        "CALLERS_FILE": home.callers,
        "SIGNING_KEY_FILE": home.key("drift-monitor"),
    }
    if options.drift_window_seconds is not None:
        settings["WINDOW_SECONDS"] = options.drift_window_seconds
    return _service("drift-monitor", settings, addresses, options)


def _rollout_controller(home: Home, addresses: Addresses, options: PlatformOptions) -> Launch:
    settings = {
        "REGISTRY_URL": addresses.url("registry-proxy"),
        "DRIFT_MONITOR_URL": addresses.url("drift-monitor"),
        "TOKEN_FILE": home.token("rollout-controller"),
        "CALLERS_FILE": home.callers,
        "SIGNING_KEY_FILE": home.key("rollout-controller"),
        "SERVED_MODELS_DIR": home.served_models,
        "STATE_DIR": home.root / "controller",
        "GATEWAY_HOST": addresses.host,
        "GATEWAY_PORT": addresses.ports["gateway"],
        "GATEWAY_ADMIN_PORT": addresses.ports["envoy-admin"],
        "ENVOY_DIR": home.root / "envoy",
        "PREDICTOR_PORT_FROM": addresses.ports["predictors"],
        "PREDICTOR_TOKEN_FILE": home.token("predictor"),
        "FINGERPRINT_KEY_FILE": home.fingerprint_key,
        "ARTIFACT_CACHE_DIR": home.artifact_cache,
        "RUN_DIR": home.root / "run",
        "LOG_DIR": home.root / "logs",
    }
    return _service("rollout-controller", settings, addresses, options)


def _service(
    name: str, settings: Mapping[str, object], addresses: Addresses, options: PlatformOptions
) -> Launch:
    package = name.replace("-", "_")
    own = {"HOST": addresses.host, "PORT": addresses.ports[name], "LOG_LEVEL": options.log_level}
    prefix = f"ISOGLOSS_{package.upper()}_"
    environment = {prefix + key: str(value) for key, value in {**own, **settings}.items()}
    command = (sys.executable, "-m", package)
    return Launch(name, command, environment, addresses.url(name) + "/readyz", (name,))
