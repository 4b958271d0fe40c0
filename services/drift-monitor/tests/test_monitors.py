import numpy as np

from drift_monitor.metrics import Metrics
from drift_monitor.monitors import Monitor, Reading


def reading(p_value, index=0):
    return Reading(index * 60.0, index * 60.0 + 60, 500, 1.0, p_value)


def run(p_values, monitor=None):
    monitor = monitor or Monitor()
    states = []
    for index, p_value in enumerate(p_values):
        monitor = monitor.step(reading(p_value, index))
        states.append(monitor)
        if monitor.alarms:
            monitor = monitor.reported(monitor.finding or f"found at {index}")
    return states


def test_quiet_windows_never_alarm():
    rng = np.random.default_rng(3)
    assert not any(state.alarms for state in run(rng.random(2000)))


def test_a_lasting_small_shift_alarms_when_the_cusum_crosses():
    states = run([0.01] * 10)  # z 2.33, so 1.83 a Window
    first = [state.alarms for state in states].index(True)
    assert first == 5
    assert states[first].cusum.value > 10
    assert states[first].began == 0.0


def test_two_windows_far_off_alarm_at_once_and_one_does_not():
    assert [state.alarms for state in run([0.5, 1e-6, 0.5])] == [False, False, False]
    assert [state.alarms for state in run([0.5, 1e-6, 1e-6])] == [False, False, True]


def test_the_cusum_starts_again_after_an_alarm_and_the_finding_stays_the_same():
    states = run([1e-9] * 12)
    assert len({state.finding for state in states if state.finding}) == 1
    assert max(state.cusum.value for state in states) < 20


def test_drift_after_a_quiet_day_is_another_finding():
    states = run([1e-9] * 3 + [0.6] * 60 + [1e-9] * 3)
    assert states[3].finding == "found at 1"
    assert states[40].finding is None
    assert states[-1].finding == "found at 64"
    assert states[-1].began == 63 * 60.0


def test_a_finding_is_shown_open_until_it_is_forgotten():
    metrics, signal = Metrics(), ("sentiment", "sha256:b", "all", "label")
    labels = dict(zip(("model", "version", "slice", "detector"), signal, strict=True))

    def shown(monitor):
        metrics.observe_monitor(signal, monitor)
        return metrics.registry.get_sample_value("isogloss_drift_monitor_finding_open", labels)

    quiet = Monitor().step(reading(0.5))
    assert shown(quiet) == 0
    found = quiet.reported("f1")
    assert shown(found) == 1
    assert shown(run([0.5] * 25, found)[-1]) == 0
