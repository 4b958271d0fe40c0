import pytest

from drift_monitor.adapters.databases import open_sqlite
from drift_monitor.ports import ReferenceRefused
from drift_monitor.quiet import Effort
from drift_monitor.verify import DRIFTS, Trial, verify

LABELS = ("negative", "positive")


@pytest.fixture
def verified(tmp_path, traffic):
    store = open_sqlite(tmp_path / "replay.db", "replay")

    def run(rows, hours=24):
        raw = traffic(seed=5).reference(rows)
        trial = Trial(hours, effort=Effort(windows=1000, paths=30))
        return verify(store, raw, LABELS, trial)

    yield run
    store.close()


def test_a_quiet_day_raises_nothing_and_six_drifts_are_found_within_a_day(verified):
    shown = verified(4000)
    assert shown.passed
    assert shown.false_findings == 0
    assert shown.twelve_weeks[0] == 0 < shown.budget < shown.twelve_weeks[1]
    assert shown.found_after_hours.keys() == DRIFTS.keys()
    assert max(shown.found_after_hours.values()) <= 24


def test_a_small_reference_cannot_be_parted(verified):
    with pytest.raises(ReferenceRefused, match="cannot be parted"):
        verified(700)
