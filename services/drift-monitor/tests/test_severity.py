import pytest

from drift_monitor.quality import Quality
from drift_monitor.severity import Severity, decide_severity
from lifecycle.verdicts import Outcome
from stats.bounds import Bounds


def quality(estimated=0.9, novelty=0.01, measured=None, *, degraded=False):
    def bounds(point):
        return Bounds(n=500, lower=point - 0.02, point=point, upper=point + 0.02)

    return Quality(
        slice="all",
        start=0.0,
        end=3600.0,
        floor=0.87,
        novelty=novelty,
        estimated=bounds(estimated),
        measured=bounds(measured) if measured else None,
        degraded=degraded,
    )


CASES = {
    "estimated well": (quality(), False, Severity.TICKET, "estimated at 90.0%"),
    "estimated badly": (quality(estimated=0.86), False, Severity.PAGE, "under the 87.0%"),
    "novel": (quality(novelty=0.2), False, Severity.PAGE, "20.0% of the texts are unlike"),
    "novel, measured well": (
        quality(novelty=0.2, measured=0.92),
        False,
        Severity.TICKET,
        "measured at 92.0%",
    ),
    "measured badly": (quality(measured=0.8), False, Severity.PAGE, "measured on labels"),
    "measured with few labels": (
        quality(measured=0.88),
        False,
        Severity.TICKET,
        "estimated at 90.0%",
    ),
    "degraded": (quality(degraded=True), False, Severity.PAGE, "has fallen under"),
    "unknown": (None, False, Severity.TICKET, "send labels"),
    "broken": (quality(), True, Severity.PAGE, "broken"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_only_harm_or_broken_data_wakes_somebody(case):
    known, broken, severity, words = case
    decision = decide_severity(known, broken=broken)
    assert decision.severity is severity
    assert words in decision.because


def test_a_ticket_says_nothing_for_certain_and_a_page_says_fail():
    assert decide_severity(None, broken=False).outcome is Outcome.INCONCLUSIVE
    assert decide_severity(quality(degraded=True), broken=False).outcome is Outcome.FAIL
