"""Where a ModelVersion stands, and the moves between Stages that exist at all.

Whether a legal move is allowed *now* is decided in `transitions`; how many versions may
hold a Stage, too.
"""

from enum import StrEnum


class Stage(StrEnum):
    """Where one ModelVersion stands."""

    REGISTERED = "REGISTERED"
    STAGING = "STAGING"
    SHADOW = "SHADOW"
    PRODUCTION = "PRODUCTION"
    ARCHIVED = "ARCHIVED"


LEGAL_MOVES: frozenset[tuple[Stage, Stage]] = frozenset(
    {
        (Stage.REGISTERED, Stage.STAGING),
        (Stage.STAGING, Stage.SHADOW),
        (Stage.STAGING, Stage.PRODUCTION),
        (Stage.SHADOW, Stage.PRODUCTION),
        (Stage.PRODUCTION, Stage.ARCHIVED),
        (Stage.REGISTERED, Stage.ARCHIVED),
        (Stage.STAGING, Stage.ARCHIVED),
        (Stage.SHADOW, Stage.ARCHIVED),
        (Stage.ARCHIVED, Stage.STAGING),
        (Stage.ARCHIVED, Stage.PRODUCTION),
    }
)
"""ARCHIVED to PRODUCTION is the rollback edge; STAGING to PRODUCTION is a model's first."""

HELD_BY_ONE = frozenset({Stage.SHADOW, Stage.PRODUCTION})
"""Stages that at most one version of a model holds."""

CANARY = "CANARY"
"""Not a Stage: the opening of a Release, named where a Gate guards it (`SHADOW->CANARY`)."""


def move_name(before: str, after: str) -> str:
    """Name a move the way gate policies do: `REGISTERED->STAGING`."""
    return f"{before}->{after}"
