"""A cluster's count of mirrored requests, read from pages as Envoy shows them."""

import pytest
from rollout_controller_fakes import MODEL, Backend

from rollout_controller.adapters.gateway_statistics import GatewayStatistics
from rollout_controller.ports import GatewayUnreachable

pytestmark = pytest.mark.anyio
PLACE = f"httproute/models/{MODEL}"
PAGE = f"""\
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{{envoy_cluster_name="{PLACE}/rule/0"}} 900
envoy_cluster_upstream_rq_total{{envoy_cluster_name="{PLACE}/rule/0-mirror-0"}} 150
envoy_cluster_upstream_rq_total{{envoy_cluster_name="{PLACE}/rule/1-mirror-0"}} 20
envoy_cluster_upstream_rq_total{{envoy_cluster_name="{PLACE}-two/rule/0-mirror-0"}} 7000
envoy_cluster_upstream_rq_total{{envoy_cluster_name="httproute/other/{MODEL}/rule/0-mirror-0"}} 9
# TYPE envoy_cluster_upstream_rq_pending_failure_eject counter
envoy_cluster_upstream_rq_pending_failure_eject{{envoy_cluster_name="{PLACE}/rule/0-mirror-0"}} 3
# TYPE envoy_cluster_upstream_rq_active_overflow counter
envoy_cluster_upstream_rq_active_overflow{{envoy_cluster_name="{PLACE}/rule/0-mirror-0"}} 2
# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{{envoy_cluster_name="{PLACE}/rule/0-mirror-0"}} 140
# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{PLACE}/rule/0-mirror-0",le="1"}} 2
"""


class Page(Backend):
    def __init__(self, text):
        super().__init__("envoy")
        self.text = text

    def answer(self, _line, _body):
        return self.text.encode()


async def counted(page, model=MODEL):
    async with page.running():
        statistics = GatewayStatistics(page.address, "models")
        try:
            return await statistics.mirrored(model)
        finally:
            await statistics.close()


async def test_the_copies_of_one_models_mirrors_are_added_up():
    page = Page(PAGE)

    assert list((await counted(page)).values()) == [150 + 20 + 3 + 2]


async def test_a_mirror_that_no_envoy_knows_is_not_counted():
    with pytest.raises(GatewayUnreachable, match="counts a mirror of topic yet"):
        await counted(Page(PAGE), "topic")


async def test_a_page_that_is_none_makes_the_count_unknown():
    with pytest.raises(GatewayUnreachable, match="cannot be read"):
        await counted(Page('envoy_cluster_upstream_rq_total{envoy_cluster_name="a'))


async def test_statistics_that_are_not_there_make_the_count_unknown(ports):
    statistics = GatewayStatistics(f"127.0.0.1:{ports(1)[0]}", "models")

    with pytest.raises(GatewayUnreachable, match=r"127\.0\.0\.1:\d+ cannot be read"):
        await statistics.mirrored(MODEL)
    await statistics.close()
