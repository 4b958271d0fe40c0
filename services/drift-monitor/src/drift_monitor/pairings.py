"""Pairing: which answers of two versions belong together, and what is counted of them.

The counts are taken from stored answers each time they are asked for, so labels and late
answers may come in any order and a replay counts the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Pairing:
    """One Rollout's comparison: answers of both versions to the same request from `since` on.

    `until` is when a newer pairing of the model began; None while this is the newest.
    """

    model: str
    rollout: str
    baseline: str
    candidate: str
    since: float
    until: float | None = None


@dataclass(frozen=True)
class Tally:
    """Counts of one pairing on one Slice.

    `eligible` are the Baseline's answers that count, each text once; `paired` those the Candidate
    answered too. Of the pairs with a label, wins are those only the Candidate had right.
    """

    slice: str
    eligible: int
    paired: int
    disagreeing: int
    labelled: int
    wins: int
    losses: int

    @property
    def agreeing(self) -> int:
        """Pairs with the same label."""
        return self.paired - self.disagreeing

    @property
    def missing(self) -> int:
        """Eligible answers that the Candidate never gave, or gave as an error."""
        return self.eligible - self.paired

    @property
    def bad(self) -> int:
        """What counts against the Candidate: a different answer or none."""
        return self.disagreeing + self.missing

    @property
    def coverage(self) -> float:
        """Share of the eligible that became pairs; 0 without any."""
        return self.paired / self.eligible if self.eligible else 0.0


class PairingConflict(Exception):
    """The rollout is already paired differently; the text says how."""


def add_up(slice_name: str, tallies: Iterable[Tally]) -> Tally:
    """Add tallies of disjoint Slices."""
    total = Tally(slice_name, 0, 0, 0, 0, 0, 0)
    for tally in tallies:
        total = Tally(
            slice=slice_name,
            eligible=total.eligible + tally.eligible,
            paired=total.paired + tally.paired,
            disagreeing=total.disagreeing + tally.disagreeing,
            labelled=total.labelled + tally.labelled,
            wins=total.wins + tally.wins,
            losses=total.losses + tally.losses,
        )
    return total


def register(wanted: Pairing, known: Iterable[Pairing]) -> tuple[Pairing, ...]:
    """Return the pairings to store so that `wanted` is the model's newest, itself first.

    Repeating a registration changes nothing: the first `since` stays, because answers counted
    from it may already be in someone's Evidence. Raises PairingConflict.
    """
    for pairing in known:
        if pairing.rollout == wanted.rollout:
            if (pairing.baseline, pairing.candidate) != (wanted.baseline, wanted.candidate):
                raise PairingConflict(
                    f"rollout {wanted.rollout} of {wanted.model} already pairs {pairing.baseline} "
                    f"with {pairing.candidate}; start another rollout to compare others"
                )
            return (pairing,)
    ended = (replace(p, until=wanted.since) for p in known if p.until is None)
    return (wanted, *ended)
