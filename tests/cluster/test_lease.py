"""The rollout-controller's Lease on a real API server: the suite that the one in memory passes."""

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from rollout_controller.adapters.lease import Lease, LeasePlace
from servicekit.kubernetes_api import KubernetesApi, grouped

# The API server may be anywhere: KUBECONFIG says where.
pytestmark = [pytest.mark.cluster, pytest.mark.anyio, pytest.mark.enable_socket]
SUITE = Path(__file__).parents[2] / "services" / "rollout-controller" / "tests" / "lease_suite.py"
NAME = "isogloss-rollout-controller"


def _load(path):
    spec = importlib.util.spec_from_file_location("lease_suite_for_clusters", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


suite = _load(SUITE)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def api():
    opened = await KubernetesApi.open("isogloss-rollout-controller")
    yield opened
    await opened.close()


@pytest.fixture
def path(namespace):
    return grouped("coordination.k8s.io/v1", namespace.name, "leases", NAME)


@pytest.fixture
def replica(api, namespace):
    def make(name, *clock):
        return Lease(api, LeasePlace(namespace.name, NAME, name), suite.TIMES, *clock)

    return make


@pytest.fixture
def record(api, path):
    async def read():
        return (await api.get(path))["spec"]

    return read


@pytest.fixture
def edit(api, path):
    async def write(spec):
        await api.merge(path, {"spec": spec})

    return write


class TestLease(suite.LeaseSuite):
    pass


async def test_a_controller_that_is_killed_is_followed_within_its_duration(replica):
    one, two = replica("one"), replica("two")
    await one.attempt()
    keeping = asyncio.create_task(two.run())
    await suite.until(lambda: two.leads, seconds=suite.TIMES.duration * 3)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)

    assert not one.leads
