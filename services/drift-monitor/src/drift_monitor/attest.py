"""Turning a pairing's counts into shadow Evidence: counts only, no bounds, no Verdict."""

from collections.abc import Sequence

from drift_monitor.pairings import Pairing, Tally, add_up
from drift_monitor.windows import ALL
from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects

PRODUCER = "drift-monitor"


class SubjectsRefused(Exception):
    """The Evidence asked for speaks of other versions than the pairing; the text says which."""


def shadow_evidence(
    pairing: Pairing,
    tallies: Sequence[Tally],
    subjects: Subjects,
    now: float,
    expires_at: float,
) -> Evidence:
    """State what was counted since the mirror began, on slice all and each length Slice.

    Raises SubjectsRefused unless `subjects` names the pairing's own versions.
    """
    for name, mine, theirs in (
        ("model", pairing.candidate, subjects.model),
        ("baseline", pairing.baseline, subjects.baseline),
    ):
        if mine != theirs:
            raise SubjectsRefused(
                f"subjects.{name} is {theirs}, but rollout {pairing.rollout} pairs {mine}"
            )
    overall = add_up(ALL, tallies)
    return Evidence(
        kind=EvidenceKind.SHADOW,
        model=pairing.model,
        subjects=subjects,
        measurements=tuple(
            measurement
            for tally in (overall, *tallies)
            for measurement in _measurements(pairing, tally, now)
        ),
        producer=PRODUCER,
        produced_at=now,
        expires_at=expires_at,
        details={"rollout": pairing.rollout, "coverage": overall.coverage},
    )


def _measurements(pairing: Pairing, tally: Tally, now: float) -> tuple[Measurement, Measurement]:
    pairs = {
        "n": tally.eligible,
        "bad": tally.bad,
        "missing": tally.missing,
        "eligible": tally.eligible,
        "paired": tally.paired,
    }
    labelled = {"n": tally.labelled, "wins": tally.wins, "losses": tally.losses}
    return (
        _measurement("pairs", pairing, tally, pairs, now),
        _measurement("labelled", pairing, tally, labelled, now),
    )


def _measurement(
    name: str, pairing: Pairing, tally: Tally, counts: dict[str, int], now: float
) -> Measurement:
    return Measurement(
        name=name,
        slice=tally.slice,
        n=counts["n"],
        counts=counts,
        source=f"{PRODUCER}/{pairing.rollout}",
        started_at=pairing.since,
        ended_at=now,
    )
