"""A few seconds of what `make bench-serving ARGS="--only soak"` does for five minutes."""

import threading
import time

CALLERS, SECONDS, SETTLED_SECONDS = 4, 5, 2


def test_under_full_load_nothing_fails_and_memory_stays_flat(start_process, processes):
    process = start_process()
    process.wait_until_ready()
    told = threading.Event()
    callers = [processes.Caller(process.port, told) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    time.sleep(SETTLED_SECONDS)
    before, _ = process.memory()
    time.sleep(SECONDS)
    after, _ = process.memory()
    told.set()
    for caller in callers:
        caller.join()

    outcomes = [outcome for caller in callers for outcome in caller.outcomes]
    assert set(outcomes) == {200}
    assert len(outcomes) > 500
    assert after - before < 2
    assert process.stop() == 0
