"""Bodies of the ledger's requests."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from lifecycle.rollouts import Colour, Marker, Phase
from lifecycle.stages import Stage
from lifecycle.verdicts import Outcome, Reason, Verdict
from registry_proxy.schemas import Body, Digest, JsonObject
from registry_proxy.schemas import Reason as ReasonText

Sequence = StrictInt
AnchorText = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,17}:sha256:[0-9a-f]{64}$")]
"""The number and the hash of an entry that was seen before."""

Power = Annotated[float, Field(ge=0.5, le=0.99)]
"""How surely a forecast's rows are to be enough."""
Share = Annotated[float, Field(gt=0, lt=1)]
"""A canary's share of the requests."""


class WaiverBody(Body):
    """POST waivers."""

    digest: Digest
    gate: str = Field(min_length=1, max_length=200)
    move: str = Field(min_length=1, max_length=100)
    reason: ReasonText
    expires_at: StrictFloat


class ApprovalBody(Body):
    """POST approvals."""

    digest: Digest
    move: str = Field(min_length=1, max_length=100)
    reason: ReasonText


class TransitionBody(Body):
    """POST transitions; `to` is STAGING or ARCHIVED, anything else is refused by the ledger."""

    digest: Digest
    to: Stage
    expected_seq: Sequence


class StartBody(Body):
    """POST rollouts."""

    digest: Digest
    expected_seq: Sequence


class AdvanceBody(Body):
    """POST advance; `step` counts canary weights from 0, `judge_only` takes no step."""

    phase: Phase
    step: StrictInt = Field(-1, ge=-1, le=1000)
    expected_seq: Sequence
    evidence: JsonObject | None = None
    judge_only: StrictBool = False


class PauseBody(Body):
    """POST pause and resume."""

    reason: ReasonText
    expected_seq: Sequence


class MarkerBody(Body):
    """The marker that a rollback wrote into the route."""

    rollout: str = Field(max_length=100)
    ledger_seq: StrictInt
    reason: str = Field(max_length=2000)
    to: Digest
    to_colour: Colour
    written_at: StrictFloat
    automatic: StrictBool

    def to_marker(self) -> Marker:
        """Return lifecycle's value."""
        return Marker(**self.model_dump())


class ReasonBody(Body):
    """One reason of a Verdict."""

    gate: str = Field(max_length=200)
    outcome: Outcome
    text: str = Field(max_length=2000)
    waived: StrictBool = False


class VerdictBody(Body):
    """The Verdict that the caller acted on."""

    outcome: Outcome
    reasons: list[ReasonBody] = Field(max_length=200)

    def to_verdict(self) -> Verdict:
        """Return lifecycle's value."""
        return Verdict(self.outcome, tuple(Reason(**r.model_dump()) for r in self.reasons))


class EndBody(Body):
    """POST end."""

    phase: Phase
    reason: ReasonText
    marker: MarkerBody | None = None
    verdict: VerdictBody | None = None
    facts: JsonObject | None = None
    evidence: JsonObject | None = None
