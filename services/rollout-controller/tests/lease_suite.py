"""What holds of a Lease on every API server, the one in memory and a real one.

A fixture `replica` makes one replica's `Lease`, all on one Lease; `record` reads what stands in it
and `edit` changes it as somebody else would. Times are short here, and time is the subject.
"""

import asyncio

import pytest

from rollout_controller.adapters.lease import LeaseTimes
from rollout_controller.ports import NotLeading

TIMES = LeaseTimes(duration=2, deadline=1.0, retry=0.1)
FOREVER = 30.0


class Clock:
    """A replica's own clock, which a test moves."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


async def until(condition, seconds=10):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another task's renewal is what is waited for
            await asyncio.sleep(0.01)


class LeaseSuite:
    async def test_who_comes_first_leads_and_the_other_may_not_act(self, replica):
        one, two = replica("one"), replica("two")
        await one.attempt()
        await two.attempt()

        assert (one.leads, two.leads) == (True, False)
        with pytest.raises(NotLeading, match="another replica holds"):
            async with two.acting():
                pass

    async def test_of_several_at_the_same_moment_one_leads(self, replica):
        replicas = [replica(name) for name in ("one", "two", "three")]
        await asyncio.gather(*(each.attempt() for each in replicas))

        assert sum(each.leads for each in replicas) == 1

    async def test_it_is_taken_over_only_after_it_stood_unchanged_for_a_whole_duration(
        self, replica, record
    ):
        clock = Clock()
        one, two = replica("one"), replica("two", clock)
        await one.attempt()
        await two.attempt()
        clock.time += TIMES.duration - 0.1
        await two.attempt()
        assert not two.leads

        clock.time += 0.2
        await two.attempt()
        assert two.leads
        held = await record()
        assert (held["holderIdentity"], held["leaseTransitions"]) == ("two", 1)
        assert held["acquireTime"] == held["renewTime"]

    async def test_each_renewal_makes_the_others_wait_anew(self, replica, record):
        clock = Clock()
        one, two = replica("one"), replica("two", clock)
        await one.attempt()
        taken = await record()
        await two.attempt()
        clock.time += TIMES.duration - 0.1
        await one.attempt()
        await two.attempt()
        clock.time += 0.2
        await two.attempt()

        assert (one.leads, two.leads) == (True, False)
        renewed = await record()
        assert renewed["acquireTime"] == taken["acquireTime"]
        assert renewed["renewTime"] > taken["renewTime"]

    async def test_who_cannot_renew_stops_acting_before_another_may_begin(self, replica):
        one = replica("one")
        await one.attempt()
        began = asyncio.get_running_loop().time()
        with pytest.raises(NotLeading, match="lost while acting"):
            async with one.acting():
                await asyncio.sleep(FOREVER)
        stopped = asyncio.get_running_loop().time() - began

        assert stopped < TIMES.duration - 0.5
        assert not one.leads

    async def test_what_takes_longer_goes_on_while_the_lease_is_renewed(self, replica):
        one = replica("one")
        keeping = asyncio.create_task(one.run())
        await until(lambda: one.leads)
        async with one.acting():
            await asyncio.sleep(TIMES.deadline * 1.5)
        assert one.leads

        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    async def test_a_lease_that_is_given_back_is_free_at_once(self, replica, record):
        one, two = replica("one"), replica("two", Clock())
        keeping = asyncio.create_task(one.run())
        await until(lambda: one.leads)
        await two.attempt()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert not one.leads
        assert "holderIdentity" not in await record()

        await two.attempt()
        assert two.leads

    async def test_a_restarted_holder_goes_on_under_its_name(self, replica, record):
        await replica("one").attempt()
        again = replica("one")
        await again.attempt()

        assert again.leads
        assert (await record())["leaseTransitions"] == 0

    async def test_who_sees_another_holder_stops_at_once(self, replica, edit):
        one = replica("one", Clock())
        await one.attempt()
        acting = asyncio.create_task(act_forever(one))
        await asyncio.sleep(0)
        await edit({"holderIdentity": "somebody"})
        await one.attempt()

        with pytest.raises(NotLeading):
            await acting
        assert not one.leads


async def act_forever(lease):
    async with lease.acting():
        await asyncio.sleep(FOREVER)
