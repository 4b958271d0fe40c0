"""What is remembered of the API server's answers, and for how long."""

import asyncio

import pytest

from servicekit.callers import BoundPod, CallersUnavailable
from servicekit.kubernetes_callers import KubernetesCallers

GATE = "system:serviceaccount:models:gate"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def find(api_server, api, run, clock):
    api_server.issue("t", GATE, "isogloss")
    api_server.grant(GATE, "models", "gate")
    callers = KubernetesCallers(api, "models", "isogloss", clock)
    find = callers.find

    def ask(token="t", roles=("gate",), times=1):
        async def all_at_once():
            return await asyncio.gather(*(find(token, roles) for _ in range(times)))

        return run(all_at_once())[-1]

    return ask


def kinds(api_server):
    return [path.rsplit("/", 1)[-1] for _, path in api_server.asked]


def test_the_api_server_is_asked_once_by_many_at_the_same_time(find, api_server):
    find(times=20)

    assert kinds(api_server) == ["tokenreviews", "subjectaccessreviews"]


def test_a_yes_is_asked_again_after_a_minute(find, api_server, clock):
    find()
    clock.now += 59
    find()
    assert len(api_server.asked) == 2

    clock.now += 1
    find()
    assert len(api_server.asked) == 4


def test_a_role_taken_away_is_gone_after_a_minute(find, api_server, clock):
    find()
    api_server.grants.clear()
    clock.now += 60

    assert find().roles == frozenset()


def test_a_role_that_is_given_counts_within_seconds(find, api_server, clock):
    assert find(roles=["operator"]).roles == frozenset()
    api_server.grant(GATE, "models", "operator")
    clock.now += 5

    assert find(roles=["operator"]).roles == {"operator"}


def test_a_yes_counts_for_ten_minutes_while_the_api_server_is_down(find, api_server, clock):
    find()
    api_server.down = True
    clock.now += 599
    assert find().roles == {"gate"}

    clock.now += 1
    with pytest.raises(CallersUnavailable, match="does not say now who calls"):
        find()


def test_a_no_does_not_count_while_the_api_server_is_down(find, api_server, clock):
    find(roles=["operator"])
    find(token="unknown")
    api_server.down = True
    clock.now += 6

    with pytest.raises(CallersUnavailable):
        find(roles=["operator"])
    with pytest.raises(CallersUnavailable):
        find(token="unknown")


def test_without_the_right_to_review_nobody_is_let_in(find, api_server):
    api_server.refusing = "tokenreviews is forbidden"

    with pytest.raises(CallersUnavailable):
        find()


def test_after_the_api_server_is_back_it_is_asked_again(find, api_server):
    api_server.down = True
    with pytest.raises(CallersUnavailable):
        find()
    api_server.down = False

    assert find().roles == {"gate"}


def test_an_api_server_that_knows_no_audiences_lets_nobody_in(find, api_server):
    api_server.aware_of_audiences = False

    assert find() is None


def test_a_slow_api_server_does_not_hold_up_a_known_caller(api, api_server, run, clock):
    class SlowApi:
        def __init__(self):
            self.open = asyncio.Event()

        async def create(self, path, item):
            await self.open.wait()
            return await api.create(path, item)

    async def twice():
        slow = SlowApi()
        slow.open.set()
        callers = KubernetesCallers(slow, "models", "isogloss", clock)
        await callers.find("t", ["gate"])
        slow.open.clear()
        clock.now += 100
        answer = await callers.find("t", ["gate"])
        slow.open.set()
        return answer

    api_server.issue("t", GATE, "isogloss")
    api_server.grant(GATE, "models", "gate")

    assert run(twice()).roles == {"gate"}


def test_what_is_kept_is_bounded(run, clock):
    class Nobody:
        asked = 0

        async def create(self, _path, item):
            self.asked += 1
            return {**item, "status": {}}

    async def knock(times):
        for number in range(times):
            await callers.find(str(number), ["gate"])

    nobody = Nobody()
    callers = KubernetesCallers(nobody, "models", "isogloss", clock)
    run(knock(5000))
    run(knock(1))

    assert nobody.asked == 5001
    assert len(callers._identities._kept) < 5000


def test_a_caller_is_known_with_the_pod_that_its_token_is_bound_to(find, api_server):
    api_server.issue("bound", GATE, "isogloss", pod=("gate-1", "u-1"))

    assert find("bound").pod == BoundPod("gate-1", "u-1")
    assert find("t").pod is None
