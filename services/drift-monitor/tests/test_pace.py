from drift_monitor.monitors import Reading
from drift_monitor.pace import Pace


def reading(seen, hours=1):
    return Reading(0.0, 3600.0 * hours, 200, 1.0, 0.5, seen)


def test_the_share_is_a_tenth_of_the_reference_by_the_last_window():
    pace = Pace()
    assert pace.share("v", "all", 10_000) == 1.0
    pace.learn("v", "all", reading(5000), 3600.0)
    assert pace.share("v", "all", 10_000) == 0.2
    assert pace.share("v", "short", 10_000) == 1.0


def test_a_window_that_rolled_says_less_for_each_hour():
    pace = Pace()
    pace.learn("v", "all", reading(1200, hours=6), 3600.0)
    assert pace.share("v", "all", 2000) == 1.0
