"""The platform of one machine: an Envoy on files, predictors as detached processes, one controller.

It takes over what an earlier controller left: routes in Envoy's files and running predictors.
"""

import sys

import httpx

from rollout_controller.adapters.always_leading import AlwaysLeading
from rollout_controller.adapters.clock import SystemClock
from rollout_controller.adapters.envoy import EnvoyGateway, EnvoyPlace
from rollout_controller.adapters.free_ports import FreePorts
from rollout_controller.adapters.local_processes import LocalProcesses, PredictorEnvironment
from rollout_controller.adapters.platform import Platform
from rollout_controller.adapters.predictor_metrics import PredictorMetrics
from rollout_controller.adapters.predictor_slot import Surroundings
from rollout_controller.adapters.served_model_files import ServedModelFiles
from rollout_controller.settings import RolloutControllerSettings, given
from servicekit.callers_settings import connect, open_callers

_HOST = "127.0.0.1"
_PREDICTOR_COMMAND = (sys.executable, "-m", "inference")
_PROBE_TIMEOUT_SECONDS = 1.0


def open_local(settings: RolloutControllerSettings) -> Platform:
    """Join the local adapters.

    Raises FileRefused, ClusterUnknown, GatewayUnreachable (its files cannot be used) and OSError,
    each with a sentence.
    """
    for directory in (settings.run_dir, settings.log_dir, settings.envoy_dir):
        given(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
    probe = httpx.AsyncClient(timeout=_PROBE_TIMEOUT_SECONDS)
    gateway, metrics = EnvoyGateway(_place(settings)), PredictorMetrics()
    processes = LocalProcesses(_surroundings(settings, probe), _environment(settings))
    api = connect("isogloss-rollout-controller") if settings.callers == "kubernetes" else None
    gateway.prepare()
    processes.adopt()

    async def close() -> None:
        await gateway.close()
        await metrics.close()
        await probe.aclose()
        if api:
            await api.close()

    return Platform(
        gateway=gateway,
        workloads=processes,
        metrics=metrics,
        served_models=ServedModelFiles(given(settings.served_models_dir)),
        leadership=AlwaysLeading(),
        callers=open_callers(settings, api),
        beside=processes.run,
        close=close,
    )


def _place(settings: RolloutControllerSettings) -> EnvoyPlace:
    return EnvoyPlace(
        host=settings.gateway_host,
        port=settings.gateway_port,
        admin_port=settings.gateway_admin_port,
        directory=given(settings.envoy_dir),
        timeout_seconds=settings.gateway_timeout_seconds,
    )


def _surroundings(settings: RolloutControllerSettings, probe: httpx.AsyncClient) -> Surroundings:
    return Surroundings(
        command=_PREDICTOR_COMMAND,
        host=_HOST,
        state_dir=settings.state_dir,
        run_dir=given(settings.run_dir),
        log_dir=given(settings.log_dir),
        grace_seconds=settings.stop_grace_seconds,
        ports=FreePorts(_HOST, settings.predictor_port_from),
        clock=SystemClock(),
        probe=probe,
    )


def _environment(settings: RolloutControllerSettings) -> PredictorEnvironment:
    return PredictorEnvironment(
        registry_url=settings.registry_url,
        token_file=given(settings.predictor_token_file).absolute(),
        cache_dir=given(settings.artifact_cache_dir).absolute(),
        drift_monitor_url=settings.drift_monitor_url,
        fingerprint_key_file=given(settings.fingerprint_key_file).absolute(),
        log_level=settings.log_level,
    )
