"""What holds of the Workloads port everywhere: the fake, processes, KServe played and real.

A fixture `any_workloads` gives one with nothing in it. What has to be told that time passes has a
`step`.
"""

import asyncio

from rollout_controller_fakes import MODEL, NEW, OLD, a_served_model

from lifecycle.rollouts import Colour

BLUE, GREEN = Colour.BLUE, Colour.GREEN
SERVED = a_served_model(slices=["domain"], predictor={"queueLimit": 7})
PATIENCE_SECONDS = 60


async def until(workloads, condition, seconds=PATIENCE_SECONDS, colour=BLUE):
    """Wait until what is observed of a colour fulfils the condition."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        if hasattr(workloads, "step"):
            await workloads.step()
        state = (await workloads.observe(MODEL)).get(colour)
        if condition(state):
            return state
        await asyncio.sleep(0.02)
    raise AssertionError(f"last seen: {state}")


async def loaded(workloads, digest=OLD, colour=BLUE, served=SERVED):
    await workloads.ensure(served, colour, digest)
    return await until(workloads, lambda state: state and state.ready, colour=colour)


class WorkloadsSuite:
    async def test_nothing_is_there_at_first(self, any_workloads):
        assert await any_workloads.observe(MODEL) == {}

    async def test_a_wanted_version_becomes_ready_at_an_address(self, any_workloads):
        state = await loaded(any_workloads)

        assert (state.digest, state.alive, state.reason) == (OLD, True, "")
        assert state.address
        assert len(state.metrics_addresses) == 1
        assert state.address not in state.metrics_addresses
        assert state.intact

    async def test_wanting_it_again_changes_nothing(self, any_workloads):
        before = await loaded(any_workloads)
        assert await loaded(any_workloads) == before

    async def test_another_version_replaces_it(self, any_workloads):
        await loaded(any_workloads)
        await any_workloads.ensure(SERVED, BLUE, NEW)
        assert (await any_workloads.observe(MODEL))[BLUE].digest == NEW

        state = await until(any_workloads, lambda state: state.ready)
        assert state.digest == NEW

    async def test_colours_are_apart(self, any_workloads):
        blue = await loaded(any_workloads)
        green = await loaded(any_workloads, NEW, GREEN)

        assert blue.address != green.address
        assert set(await any_workloads.observe(MODEL)) == {BLUE, GREEN}
        assert await any_workloads.observe("topic") == {}

    async def test_what_is_settled_goes_on_as_it_was(self, any_workloads):
        before = await loaded(any_workloads)
        await any_workloads.settle(SERVED, BLUE)

        assert (await any_workloads.observe(MODEL))[BLUE] == before

    async def test_what_is_stopped_is_not_observed_any_more_and_comes_back(self, any_workloads):
        await loaded(any_workloads)
        await any_workloads.stop(MODEL, BLUE)
        assert await any_workloads.observe(MODEL) == {}

        await any_workloads.stop(MODEL, BLUE)
        assert (await loaded(any_workloads)).digest == OLD

    async def test_of_a_model_that_is_removed_nothing_is_observed(self, any_workloads):
        await loaded(any_workloads)
        await any_workloads.remove(MODEL)
        await any_workloads.remove(MODEL)

        assert await any_workloads.observe(MODEL) == {}
