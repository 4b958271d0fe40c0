"""Whether a finding wakes somebody: only harm does, or broken data. Pure.

Drift alone harms nobody: it is a ticket. Where nothing is known of quality nobody can say whether
it harms; that is a ticket that says so.
"""

from dataclasses import dataclass
from enum import StrEnum

from drift_monitor.quality import Quality
from lifecycle.verdicts import Outcome


class Severity(StrEnum):
    """Whom a finding is for."""

    PAGE = "page"
    """Somebody, now."""
    TICKET = "ticket"
    """Somebody, in working hours."""


@dataclass(frozen=True)
class Decision:
    """Whether to page, why, and what that says of the version on the Slice."""

    severity: Severity
    outcome: Outcome
    because: str


def decide_severity(quality: Quality | None, *, broken: bool, skew: bool = False) -> Decision:
    """Decide about a finding, given what is known of its Slice's quality (None: nothing).

    `skew`: it compares with what the version was trained for, although this traffic was accepted.
    """
    if skew:
        return _ticket(
            "it differs from the validation set; what drifts differs from the traffic "
            "that was accepted, and has findings of its own"
        )
    if broken:
        return _page("what arrives is broken, whatever the model makes of it")
    if quality is None:
        return _ticket("nothing is known of the quality on this Slice: send labels")
    if quality.may_be_harmed:
        return _page(_harm(quality))
    labels = quality.measured_now
    proven = labels is not None and labels.lower >= quality.floor
    known, bounds = ("measured", labels) if proven and labels else ("estimated", quality.estimated)
    return _ticket(
        f"accuracy is {known} at {bounds.point:.1%}, at least {bounds.lower:.1%}: "
        f"not under the {quality.floor:.1%} that was promised"
    )


def _harm(quality: Quality) -> str:
    floor = f"the {quality.floor:.1%} that was promised"
    if quality.degraded:
        return f"labels say that accuracy has fallen under {floor}"
    labels = quality.measured_now
    if labels is not None and labels.upper < quality.floor:
        return f"accuracy measured on labels is {labels.upper:.1%} at most, under {floor}"
    if not quality.trusted:
        return (
            f"{quality.novelty:.1%} of the texts are unlike the Reference, so that accuracy "
            "cannot be estimated"
        )
    return f"accuracy is estimated at {quality.estimated.lower:.1%} or more, under {floor}"


def _page(because: str) -> Decision:
    return Decision(Severity.PAGE, Outcome.FAIL, because)


def _ticket(because: str) -> Decision:
    return Decision(Severity.TICKET, Outcome.INCONCLUSIVE, because)
