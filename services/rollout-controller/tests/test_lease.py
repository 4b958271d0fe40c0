"""The Lease on the API in memory: the suite, and an API server that does not answer."""

import sys

import pytest
from rollout_controller_fake_kubernetes import ApiServer

from rollout_controller.adapters.lease import Lease, LeasePlace

suite = sys.modules["rollout_controller_lease_suite"]
pytestmark = pytest.mark.anyio
LEASES = "/apis/coordination.k8s.io/v1/namespaces/isogloss/leases"


@pytest.fixture
def server():
    return ApiServer()


@pytest.fixture
def replica(server):
    def make(name, *clock):
        place = LeasePlace("isogloss", "isogloss-rollout-controller", name)
        return Lease(server.connect(), place, suite.TIMES, *clock)

    return make


@pytest.fixture
def record(server):
    async def read():
        return server.objects[f"{LEASES}/isogloss-rollout-controller"]["spec"]

    return read


@pytest.fixture
def edit(server):
    async def write(spec):
        await server.connect().merge(f"{LEASES}/isogloss-rollout-controller", {"spec": spec})

    return write


class TestLease(suite.LeaseSuite):
    pass


async def test_while_the_api_server_is_down_the_holder_leads_until_its_deadline(server, replica):
    clock = suite.Clock()
    one = replica("one", clock)
    await one.attempt()
    server.down = True
    clock.time += suite.TIMES.deadline - 0.1
    await one.attempt()
    assert one.leads

    clock.time += 0.2
    await one.attempt()
    assert not one.leads


async def test_a_late_holder_leads_again_where_nobody_took_over(replica):
    clock = suite.Clock()
    one = replica("one", clock)
    await one.attempt()
    clock.time += 100
    assert not one.leads
    await one.attempt()

    assert one.leads


async def test_who_was_overtaken_between_reading_and_writing_does_not_lead(server, replica):
    one, two = replica("one"), replica("two")
    await one.attempt()
    record = server.objects[f"{LEASES}/isogloss-rollout-controller"]
    record["spec"]["holderIdentity"] = ""
    server.before_write = one.attempt
    await two.attempt()

    assert (one.leads, two.leads) == (True, False)


async def test_a_lease_that_is_not_ours_any_more_is_not_given_back(replica, record, edit):
    one = replica("one")
    await one.attempt()
    await edit({"holderIdentity": "two"})
    await one._give_back()

    assert (await record())["holderIdentity"] == "two"
