"""Pairing: which answers of two versions belong together, and how their comparison is kept.

The counts are taken from stored answers each time they are asked for, so labels and late
answers may come in any order and a replay counts the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

ALL_REQUESTS = 100
"""The mirror's percentage at which every answer of the Baseline needs one of the Candidate."""


@dataclass(frozen=True)
class Pairing:
    """One Rollout's comparison: answers of both versions to the same request from `since` on.

    `until` is when a newer pairing of the model began; None while this is the newest.
    `mirror_percent` is the smallest share of requests that were mirrored. Of what came after
    `full_at` nothing was kept: there were answers enough.
    """

    model: str
    rollout: str
    baseline: str
    candidate: str
    since: float
    until: float | None = None
    mirror_percent: int = ALL_REQUESTS
    full_at: float | None = None


class PairingConflict(Exception):
    """The rollout is already paired differently; the text says how."""


def register(wanted: Pairing, known: Iterable[Pairing]) -> tuple[Pairing, ...]:
    """Return the pairings to store so that `wanted` is the model's newest, itself first.

    Repeating a registration only lowers the mirror's share: the first `since` stays, because
    answers counted from it may already be in someone's Evidence. Raises PairingConflict.
    """
    for pairing in known:
        if pairing.rollout == wanted.rollout:
            if (pairing.baseline, pairing.candidate) != (wanted.baseline, wanted.candidate):
                raise PairingConflict(
                    f"rollout {wanted.rollout} of {wanted.model} already pairs {pairing.baseline} "
                    f"with {pairing.candidate}; start another rollout to compare others"
                )
            percent = min(pairing.mirror_percent, wanted.mirror_percent)
            return (replace(pairing, mirror_percent=percent),)
    ended = (replace(p, until=wanted.since) for p in known if p.until is None)
    return (wanted, *ended)
