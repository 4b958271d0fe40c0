"""The platform of a cluster: KServe, the Gateway API, custom resources, a Lease among replicas."""

from rollout_controller.adapters.gateway_api import GatewayApi
from rollout_controller.adapters.gateway_statistics import GatewayStatistics
from rollout_controller.adapters.http_routes import GatewayPlace
from rollout_controller.adapters.inference_services import PredictorPlace
from rollout_controller.adapters.kserve import KServe
from rollout_controller.adapters.lease import Lease, LeasePlace
from rollout_controller.adapters.mirror_probe import MirrorProbe
from rollout_controller.adapters.platform import Platform
from rollout_controller.adapters.predictor_metrics import PredictorMetrics
from rollout_controller.adapters.served_model_objects import ServedModelObjects
from rollout_controller.mirror_arrivals import MirrorArrivals
from rollout_controller.settings import RolloutControllerSettings, given
from servicekit.callers_settings import connect, open_callers

_FIELD_MANAGER = "isogloss-rollout-controller"


def open_kubernetes(settings: RolloutControllerSettings) -> Platform:
    """Join the cluster's adapters; nothing is asked of the cluster yet.

    Raises FileRefused and ClusterUnknown, each with a sentence.
    """
    api = connect(_FIELD_MANAGER)
    namespace, place = given(settings.namespace), _place(settings)
    arrivals, metrics = MirrorArrivals(), PredictorMetrics()
    lease = Lease(api, _lease_place(settings))
    statistics = (
        GatewayStatistics(settings.gateway_statistics, namespace)
        if settings.gateway_statistics
        else None
    )

    async def close() -> None:
        await metrics.close()
        if statistics:
            await statistics.close()
        await api.close()

    return Platform(
        gateway=GatewayApi(api, place, MirrorProbe(api, place, arrivals), statistics),
        workloads=KServe(api, PredictorPlace(namespace, f"{given(settings.instance)}-predictor")),
        metrics=metrics,
        served_models=ServedModelObjects(api, namespace),
        leadership=lease,
        callers=open_callers(settings, api),
        mirror_arrivals=arrivals,
        beside=lease.run,
        close=close,
    )


def _place(settings: RolloutControllerSettings) -> GatewayPlace:
    gateway_namespace, _, gateway_name = given(settings.gateway).partition("/")
    return GatewayPlace(
        namespace=given(settings.namespace),
        instance=given(settings.instance),
        gateway_namespace=gateway_namespace,
        gateway_name=gateway_name,
        timeout_seconds=settings.gateway_timeout_seconds,
        address=settings.gateway_address,
    )


def _lease_place(settings: RolloutControllerSettings) -> LeasePlace:
    return LeasePlace(
        namespace=given(settings.namespace),
        name=f"{given(settings.instance)}-rollout-controller",
        holder=given(settings.pod_name),
    )
