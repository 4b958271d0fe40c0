"""The Workloads port's suite on KServe, played in memory, and what only its objects can show."""

import asyncio

import pytest
from rollout_controller_fake_kubernetes import ApiServer
from rollout_controller_fakes import MODEL, NEW, OLD, START, Clock, a_served_model
from rollout_controller_kserve_objects import (
    BEGAN,
    LATER,
    NAMESPACE,
    PlayedKServe,
    a_deployment,
    a_pod,
    crashed,
)
from rollout_controller_workloads_suite import BLUE, GREEN, SERVED, WorkloadsSuite, loaded

from lifecycle.capacity import Scale
from rollout_controller.adapters.inference_services import PredictorPlace
from rollout_controller.adapters.kserve import KServe
from rollout_controller.ports import WorkloadsRefused, WorkloadsUnreachable
from servicekit.kubernetes_api import ApiUnreachable

pytestmark = pytest.mark.anyio
ROOT = f"/apis/serving.kserve.io/v1beta1/namespaces/{NAMESPACE}/inferenceservices"
INFERENCE_SERVICE = f"{ROOT}/sentiment-blue"
SERVICE = f"/api/v1/namespaces/{NAMESPACE}/services/sentiment-blue"
BUDGET = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/sentiment-blue"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/sentiment-blue-predictor"
POD = f"/api/v1/namespaces/{NAMESPACE}/pods/sentiment-blue-pod"


class Controller(KServe):
    """One controller's adapter, with a KServe that acts when it is told to."""

    def __init__(self, server, clock):
        place = PredictorPlace(NAMESPACE, "isogloss-predictor")
        super().__init__(server.connect(), place, clock.now)
        self._played = PlayedKServe(server)

    async def step(self):
        self._played.step()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server():
    return ApiServer()


@pytest.fixture
def kserve(server, clock):
    return Controller(server, clock)


class TestKServe(WorkloadsSuite):
    @pytest.fixture
    def any_workloads(self, kserve):
        return kserve


async def state_of(kserve, colour=BLUE):
    return (await kserve.observe(MODEL)).get(colour)


async def test_a_colour_is_three_objects_of_one_name(kserve, server):
    served = a_served_model(
        slices=["domain"], resources={"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}
    )
    await kserve.ensure(served, BLUE, OLD)
    item, service, budget = (server.objects[p] for p in (INFERENCE_SERVICE, SERVICE, BUDGET))
    predictor = item["spec"]["predictor"]

    assert item["metadata"]["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert item["metadata"]["annotations"] == {
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": "none",
        "serving.kserve.io/stop": "false",
        "isogloss.dev/digest": OLD,
    }
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (1, 1)
    assert predictor["annotations"] == {"isogloss.dev/digest": OLD}
    assert predictor["serviceAccountName"] == "isogloss-predictor"
    assert predictor["securityContext"]["fsGroup"] == 999
    assert predictor["terminationGracePeriodSeconds"] >= 15 + 10
    assert predictor["model"] == {
        "modelFormat": {"name": "isogloss"},
        "runtime": "isogloss",
        "storageUri": f"isogloss://sentiment@{OLD}",
        "env": [
            {"name": "ISOGLOSS_INFERENCE_MODEL", "value": "sentiment"},
            {"name": "ISOGLOSS_INFERENCE_QUEUE_LIMIT", "value": "128"},
            {"name": "ISOGLOSS_INFERENCE_SLO_MILLISECONDS", "value": "150"},
            {"name": "ISOGLOSS_INFERENCE_SLICES", "value": "domain"},
        ],
        "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}},
    }
    pods = {"app": "isvc.sentiment-blue-predictor"}
    (port,) = service["spec"]["ports"]
    assert (service["spec"]["selector"], port["port"], port["targetPort"]) == (pods, 80, 8080)
    assert budget["spec"]["selector"]["matchLabels"] == pods
    for each in (item, service, budget):
        assert "serving.kserve.io/inferenceservice" not in each["metadata"]["labels"]


@pytest.mark.parametrize(
    ("spec", "budget"),
    [
        ({"replicas": 1}, {"minAvailable": 1}),
        ({"replicas": 2}, {"maxUnavailable": 1}),
        ({"autoscaling": {"class": "hpa", "maxReplicas": 4}}, {"minAvailable": 1}),
    ],
)
async def test_a_single_pod_is_not_evicted_and_of_several_one_at_a_time(
    kserve, server, spec, budget
):
    await kserve.ensure(a_served_model(**spec), BLUE, OLD)

    assert budget.items() <= server.objects[BUDGET]["spec"].items()


@pytest.mark.parametrize("autoscaler", ["hpa", "keda"])
async def test_autoscaling_is_kserves_own(kserve, server, autoscaler):
    bounds = {"minReplicas": 2, "maxReplicas": 5, "targetCPUPercent": 60}
    served = a_served_model(autoscaling={"class": autoscaler, **bounds})
    await kserve.ensure(served, BLUE, OLD)
    item = server.objects[INFERENCE_SERVICE]
    predictor = item["spec"]["predictor"]

    assert item["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == autoscaler
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 5)
    (metric,) = predictor["autoScaling"]["metrics"]
    target = {"type": "Utilization", "averageUtilization": 60}
    assert metric == {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    assert (await state_of(kserve)).scale == Scale(2, 5, autoscaler, 60)


async def test_bounds_follow_the_served_model_and_nothing_else_does(kserve, server):
    await loaded(kserve)
    before = server.objects[INFERENCE_SERVICE]["spec"]["predictor"]["model"]
    changed = a_served_model(replicas=3, predictor={"queueLimit": 1}, resources={})
    await kserve.settle(changed, BLUE)

    assert server.objects[INFERENCE_SERVICE]["spec"]["predictor"]["model"] == before
    assert (await state_of(kserve)).scale == Scale(3, 3)
    assert server.objects[BUDGET]["spec"]["maxUnavailable"] == 1
    assert "minAvailable" not in server.objects[BUDGET]["spec"]


async def test_another_autoscaler_waits_for_the_next_version(kserve):
    await loaded(kserve)
    await kserve.settle(a_served_model(autoscaling={"class": "hpa", "maxReplicas": 4}), BLUE)

    assert (await state_of(kserve)).scale == Scale(1, 1)


async def test_a_service_that_somebody_deleted_is_missed_and_made_again(kserve, server):
    await loaded(kserve)
    del server.objects[SERVICE]
    assert not (await state_of(kserve)).intact

    await kserve.settle(SERVED, BLUE)
    assert (await state_of(kserve)).intact


async def test_a_parked_colour_keeps_its_version_and_our_service(kserve, server):
    await loaded(kserve)
    await kserve.stop(MODEL, BLUE)
    item = server.objects[INFERENCE_SERVICE]

    assert item["metadata"]["annotations"]["serving.kserve.io/stop"] == "true"
    assert item["spec"]["predictor"]["model"]["storageUri"].endswith(OLD)
    assert SERVICE in server.objects


async def test_what_a_person_stopped_is_missed_and_started_again(kserve, server):
    await loaded(kserve)
    server.objects[INFERENCE_SERVICE]["metadata"]["annotations"]["serving.kserve.io/stop"] = "true"
    assert await state_of(kserve) is None

    await kserve.ensure(SERVED, BLUE, OLD)
    assert (await state_of(kserve)).digest == OLD


async def test_removing_a_model_leaves_nothing_of_it_and_all_of_others(kserve, server):
    await loaded(kserve)
    await kserve.ensure(a_served_model("topic"), BLUE, OLD)
    await kserve.remove(MODEL)
    await kserve.step()

    assert len(server.objects) == 3
    assert all(path.endswith("/topic-blue") for path in server.objects)


@pytest.mark.parametrize("broken_at", [1, 2, 3])
async def test_after_a_crash_in_the_middle_the_version_is_missed(kserve, server, clock, broken_at):
    server.writes = Failing(broken_at)
    with pytest.raises(WorkloadsUnreachable):
        await kserve.ensure(SERVED, BLUE, OLD)
    after = Controller(server, clock)
    server.writes = []

    assert await state_of(after) is None
    assert (await loaded(after)).digest == OLD


class Failing(list):
    """A log of writes in which the one of a number is the last."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def append(self, path):
        super().append(path)
        if len(self) >= self._number:
            raise ApiUnreachable("the controller was killed")


async def test_two_controllers_at_once_make_one_colour(server, clock):
    one, other = Controller(server, clock), Controller(server, clock)
    await asyncio.gather(*(each.ensure(SERVED, BLUE, OLD) for each in (one, other)))

    assert (await loaded(one)).digest == (await loaded(other)).digest == OLD
    assert len([path for path in server.objects if path.endswith("sentiment-blue")]) == 3


async def test_what_was_refused_is_the_colours_reason_until_it_is_accepted(kserve, server):
    server.refused = {ROOT: f"isogloss://sentiment@{NEW} is not admitted"}
    with pytest.raises(WorkloadsRefused, match="the API server refused it: isogloss://sentiment"):
        await kserve.ensure(SERVED, BLUE, NEW)
    server.refused = {}
    state = await state_of(kserve)
    assert (state.digest, state.alive, state.address) == ("", False, None)
    assert "is not admitted" in state.reason

    assert (await loaded(kserve, NEW)).reason == ""


async def test_a_refused_version_leaves_the_one_before_and_says_why(kserve, server):
    await loaded(kserve)
    server.refused = {INFERENCE_SERVICE: "not admitted"}
    with pytest.raises(WorkloadsRefused):
        await kserve.ensure(SERVED, BLUE, NEW)
    server.refused = {}
    state = await state_of(kserve)
    assert (state.digest, state.ready) == (OLD, True)
    assert "not admitted" in state.reason

    await kserve.stop(MODEL, BLUE)
    assert await state_of(kserve) is None


async def test_an_object_of_somebody_else_is_left_alone(kserve, server):
    await server.connect("kubectl").apply(SERVICE, {"metadata": {"name": "sentiment-blue"}})
    with pytest.raises(WorkloadsRefused, match="Service sentiment-blue is there and was not made"):
        await kserve.ensure(SERVED, BLUE, OLD)

    assert "spec" not in server.objects[SERVICE]


async def test_what_is_being_deleted_is_not_there_and_is_waited_for(kserve, server):
    await loaded(kserve)
    server.objects[INFERENCE_SERVICE]["metadata"]["deletionTimestamp"] = "2026-11-25T17:00:00Z"
    assert await state_of(kserve) is None

    with pytest.raises(WorkloadsUnreachable, match="sentiment-blue is being deleted"):
        await kserve.ensure(SERVED, BLUE, OLD)
    await kserve.stop(MODEL, BLUE)


async def test_a_deployment_of_the_inference_service_before_is_not_counted(kserve, server):
    await loaded(kserve)
    server.objects[DEPLOYMENT]["metadata"]["ownerReferences"] = [{"uid": "older"}]

    assert not (await state_of(kserve)).ready


async def test_an_api_server_that_is_away_ends_nothing(kserve, server):
    await loaded(kserve)
    server.down = True
    for request in (
        kserve.observe(MODEL),
        kserve.ensure(SERVED, BLUE, NEW),
        kserve.settle(SERVED, BLUE),
        kserve.stop(MODEL, BLUE),
        kserve.remove(MODEL),
    ):
        with pytest.raises(WorkloadsUnreachable, match="got no answer"):
            await request


async def test_time_in_which_nothing_was_seen_makes_no_colour_unready_for_longer(
    kserve, server, clock
):
    await loaded(kserve)
    server.objects[POD] = a_pod(OLD, ready=False)
    server.objects[DEPLOYMENT] = {
        **a_deployment(OLD),
        "metadata": {**server.objects[DEPLOYMENT]["metadata"], "resourceVersion": "9"},
    }
    clock.time += 1
    assert (await state_of(kserve)).since == START + 1
    server.down = True
    with pytest.raises(WorkloadsUnreachable):
        await kserve.observe(MODEL)
    server.down = False
    clock.time += 30

    assert (await state_of(kserve)).since == START + 31


async def test_pods_are_read_again_when_their_deployment_changed(kserve, server):
    await loaded(kserve)
    server.objects[POD] = a_pod(OLD, ready=False, main=crashed())
    assert (await state_of(kserve)).alive, "nothing says that it changed"

    server.objects[DEPLOYMENT]["metadata"]["resourceVersion"] = "9"
    state = await state_of(kserve)
    assert (state.alive, state.ready, state.metrics_addresses) == (False, False, ())


def cordoned(server, unschedulable=True, allowed=0):  # noqa: FBT002 - a fact of the node
    node = {"metadata": {"name": "node-1"}, "spec": {"unschedulable": unschedulable}}
    server.objects["/api/v1/nodes/node-1"] = node
    server.objects[BUDGET]["status"] = {"disruptionsAllowed": allowed}


async def test_a_node_that_a_budget_holds_is_named_with_what_to_do(kserve, server, clock):
    await loaded(kserve)
    cordoned(server)
    clock.time += 10

    assert (await state_of(kserve)).holds == (
        "Node node-1 is cordoned and cannot be drained: PodDisruptionBudget sentiment-blue keeps "
        "Pod sentiment-blue-pod of sentiment; set replicas of ServedModel sentiment to 2 or more "
        "and have room on another node"
    )


@pytest.mark.parametrize("facts", [{"unschedulable": False}, {"allowed": 1}])
async def test_a_node_that_can_be_drained_is_not_spoken_of(kserve, server, clock, facts):
    await loaded(kserve)
    cordoned(server, **facts)
    clock.time += 10

    assert (await state_of(kserve)).holds == ""


async def test_nodes_that_may_not_be_read_are_said_to_be_unknown(kserve, server, clock):
    await loaded(kserve)
    server.refused = {"/api/v1/nodes": 'nodes "node-1" is forbidden'}
    clock.time += 10

    assert (await state_of(kserve)).holds == (
        'Whether a drain of Node node-1 is held up is not known: nodes "node-1" is forbidden'
    )


def warned(server, name, message, at, **more):
    uid = server.objects[INFERENCE_SERVICE]["metadata"]["uid"]
    server.objects[f"/api/v1/namespaces/{NAMESPACE}/events/{name}"] = {
        "metadata": {"name": name},
        "involvedObject": {"kind": "InferenceService", "uid": uid},
        "type": "Warning",
        "reason": "InternalError",
        "message": message,
        "lastTimestamp": at,
        **more,
    }


async def test_kserves_last_warning_is_quoted_where_no_deployment_comes(kserve, server, clock):
    await kserve.ensure(SERVED, BLUE, OLD)
    assert "see whether KServe's controller runs" in (await state_of(kserve)).reason
    warned(server, "e1", "an older one", BEGAN)
    warned(server, "e2", "fails to create Deployment: too long", LATER)
    last = "2026-11-25T18:00:00Z"
    warned(server, "e3", "is no longer Ready", last, reason="InferenceServiceNotReady")
    warned(server, "e4", "of another", last, involvedObject={"uid": "another"})
    warned(server, "e5", "is well", last, type="Normal")
    clock.time += 10

    assert (await state_of(kserve)).reason == (
        "KServe has not brought Deployment sentiment-blue-predictor to the version; its last "
        f"warning about InferenceService sentiment-blue: {LATER} InternalError: fails to create "
        "Deployment: too long"
    )
    await kserve.step()
    assert (await state_of(kserve)).reason == ""


async def test_without_a_warning_kserves_controller_is_to_be_looked_at(kserve, clock):
    await kserve.ensure(SERVED, BLUE, OLD)
    await state_of(kserve)
    clock.time += 10

    assert "see whether KServe's controller runs" in (await state_of(kserve)).reason


async def test_events_that_may_not_be_read_are_said_to_be_so(kserve, server, clock):
    await kserve.ensure(SERVED, BLUE, OLD)
    await state_of(kserve)
    server.refused = {f"/api/v1/namespaces/{NAMESPACE}/events": "events is forbidden"}
    clock.time += 10

    assert "its events may not be read: events is forbidden" in (await state_of(kserve)).reason


async def test_colours_of_other_controllers_objects_are_not_ours(kserve, server):
    await loaded(kserve, NEW, GREEN)
    server.objects[f"{ROOT}/sentiment-green"]["metadata"]["labels"].pop(
        "app.kubernetes.io/managed-by"
    )

    assert await kserve.observe(MODEL) == {}
