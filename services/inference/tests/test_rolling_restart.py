"""Every process behind one port is replaced while callers keep asking, and none of them notices."""

import threading
from collections import Counter

CALLERS = 6


def wait_for_more(callers, count):
    """Wait until the callers were answered so many more times."""
    before = sum(len(caller.outcomes) for caller in callers)
    while sum(len(caller.outcomes) for caller in callers) < before + count:
        assert all(caller.is_alive() for caller in callers)


def test_no_request_fails_while_all_processes_are_replaced_under_load(start_process, processes):
    def started():
        process = start_process(shutdown_delay_seconds=0.5)
        process.wait_until_ready()
        return process

    told = threading.Event()
    with processes.Balancer().running() as balancer:
        balancer.processes = [started(), started()]
        while len(balancer._ready) < 2:
            continue
        callers = [processes.Caller(balancer.port, told) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for at in range(2):
            wait_for_more(callers, 100)
            assert balancer.processes[at].stop() == 0
            balancer.processes[at] = started()
            wait_for_more(callers, 100)
        told.set()
        for caller in callers:
            caller.join()

    outcomes = Counter(outcome for caller in callers for outcome in caller.outcomes)
    assert set(outcomes) == {200}, outcomes
    assert outcomes[200] > 400


def test_a_process_that_is_told_to_stop_says_so_before_it_serves_less(start_process):
    process = start_process(shutdown_delay_seconds=30)
    process.wait_until_ready()

    process.process.terminate()
    while process.ask("GET", "/readyz", port=process.metrics_port)[0] == 200:
        continue

    assert process.predict("a good film")[0] == 200
    assert process.ask("GET", "/v2/health/ready")[0] == 503
    assert process.stop() == 0
