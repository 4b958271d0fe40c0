"""The status that the rollout-controller shows is one that the custom resource takes, whole."""

import importlib.util
import sys
from pathlib import Path

import pytest

from kube import kubectl
from lifecycle.rollouts import Colour, Phase, RouteIntent, all_to
from rollout_controller.adapters.served_model_objects import ServedModelObjects
from rollout_controller.published import published_status, refused_status
from rollout_controller.reconcile import ModelLoop
from servicekit.kubernetes_api import KubernetesApi

# The API server may be anywhere: KUBECONFIG says where.
pytestmark = [pytest.mark.cluster, pytest.mark.anyio, pytest.mark.enable_socket]
FAKES = Path(__file__).parents[2] / "services" / "rollout-controller" / "tests" / "fakes.py"
MODEL = "sentiment"


def _load(path):
    spec = importlib.util.spec_from_file_location("rollout_controller_fakes_for_clusters", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fakes = _load(FAKES)
MIRRORED = RouteIntent(100, 0, Colour.GREEN, 20)
SEEN = [
    (Phase.SHADOWING, MIRRORED),
    (Phase.CANARY, RouteIntent(90, 10)),
    (Phase.BAKING, all_to(Colour.GREEN)),
    (Phase.ROLLED_BACK, all_to(Colour.BLUE)),
]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def objects(namespace):
    """ServedModels of a namespace with one in it, whose spec is all defaults."""
    kubectl("get", "crd", "servedmodels.isogloss.dev")  # which charts/isogloss-crds installs
    namespace.apply(
        {
            "apiVersion": "isogloss.dev/v1alpha1",
            "kind": "ServedModel",
            "metadata": {"name": MODEL},
            "spec": {},
        }
    )
    api = await KubernetesApi.open("isogloss-rollout-controller")
    yield ServedModelObjects(api, namespace.name)
    await api.close()


async def show(objects, status):
    """Publish a status; return what the API server kept of it, without what it was dated with."""
    await objects.read()
    await objects.publish(MODEL, status)
    kept = dict((await objects.read()).published[MODEL])
    assert kept.pop("observedGeneration") == 1
    for condition in kept["conditions"]:
        assert condition.pop("observedGeneration") == 1
        assert condition.pop("lastTransitionTime")
    return kept


@pytest.mark.parametrize(("phase", "intent"), SEEN)
async def test_what_is_shown_in_a_phase_is_kept_as_it_was_said(objects, phase, intent):
    rollout = fakes.a_rollout(phase)
    world = fakes.World(fakes.a_state(rollout))
    world.serving(rollout, intent)
    world.ledger.verdict = fakes.verdict("INCONCLUSIVE")
    for _ in range(3):
        await ModelLoop(world.ports, world.memory).look()
        world.clock.time += 5
    status = published_status(world.memory, None)

    assert await show(objects, status) == status


async def test_a_refusal_is_kept_as_it_was_said(objects):
    status = refused_status("spec.canaryWeights is [50, 10]")

    assert await show(objects, status) == status
