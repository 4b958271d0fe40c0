"""Wire models of the JSON routes; the event batch's msgpack form is in batches."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drift_monitor.findings import Finding
from drift_monitor.mirrored import MirrorCount
from drift_monitor.monitors import Monitor
from drift_monitor.pairings import ALL_REQUESTS, Pairing
from drift_monitor.tallies import Tallies
from lifecycle.evidence import Subjects

DigestText = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
# A day's labels come in files; one request carries a part of one.
_MOST_ITEMS = 1000
_MOST_READINGS = 200


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FeedbackItem(_Strict):
    """The true label of one request."""

    request_id: _Name
    label: _Name


class Feedback(_Strict):
    """One label, or several in `items`."""

    request_id: _Name | None = None
    label: _Name | None = None
    items: list[FeedbackItem] | None = Field(None, min_length=1, max_length=_MOST_ITEMS)

    @model_validator(mode="after")
    def _one_form(self) -> "Feedback":
        single = (self.request_id is not None, self.label is not None)
        if single not in ((True, True), (False, False)) or all(single) == (self.items is not None):
            raise ValueError("give request_id and label, or items, not both")
        return self

    @property
    def labels(self) -> dict[str, str]:
        """The labels by request id."""
        if self.items is not None:
            return {item.request_id: item.label for item in self.items}
        return {str(self.request_id): str(self.label)}


class PairingWish(_Strict):
    """What is to be compared from when on (seconds since the epoch)."""

    baseline: DigestText
    candidate: DigestText
    since: float = Field(ge=0, allow_inf_nan=False)
    mirror_percent: int = Field(ALL_REQUESTS, ge=1, le=ALL_REQUESTS)

    @model_validator(mode="after")
    def _two_versions(self) -> "PairingWish":
        if self.baseline == self.candidate:
            raise ValueError("baseline and candidate are the same version")
        return self


class SubjectsNamed(_Strict):
    """The digests that Evidence is bound to, `none` where there is nothing."""

    model: str
    baseline: str
    dataset: str
    prompt: str
    policy: str
    image: str

    def to_subjects(self) -> Subjects:
        """Return the value that Evidence holds."""
        return Subjects(**self.model_dump())


_Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class MirrorRead(_Strict):
    """The gateway's count of mirrored requests since `since`, as [time, requests], oldest first."""

    percent: int = Field(ge=1, le=ALL_REQUESTS)
    since: _Time
    readings: list[tuple[_Time, Annotated[int, Field(ge=0)]]] = Field(max_length=_MOST_READINGS)

    def to_count(self) -> MirrorCount:
        """Return the value that a Span is chosen by."""
        return MirrorCount(self.percent, self.since, tuple(self.readings))


class EvidenceWish(_Strict):
    """What shadow Evidence should be bound to and until when it counts; `mirror` None: how many
    requests were mirrored is not known.
    """

    subjects: SubjectsNamed
    expires_at: float = Field(gt=0, allow_inf_nan=False)
    mirror: MirrorRead | None = None


def pairing_page(pairing: Pairing, tallies: Tallies) -> dict[str, Any]:
    """Return a pairing with its counts on slice all; a coverage of null is not known."""
    tally, span = tallies.all, tallies.span
    known = not span.partial or span.mirrored is not None
    return {
        "rollout": pairing.rollout,
        "baseline": pairing.baseline,
        "candidate": pairing.candidate,
        "since": pairing.since,
        "mirror_percent": pairing.mirror_percent,
        "eligible": tally.eligible,
        "pairs": tally.paired,
        "agreeing": tally.agreeing,
        "disagreeing": tally.disagreeing,
        "missing": tally.missing,
        "coverage": tally.coverage if known else None,
        "labelled": {"n": tally.labelled, "wins": tally.wins, "losses": tally.losses},
    }


def signal_page(slice_name: str, detector: str, monitor: Monitor) -> dict[str, Any]:
    """Return one signal's state after its last Window."""
    last = monitor.last
    return {
        "slice": slice_name,
        "detector": detector,
        "n": last.n if last else 0,
        "seen": last.seen if last else 0,
        "statistic": last.statistic if last else 0.0,
        "p_value": last.p_value if last else 1.0,
        "z": last.z if last else 0.0,
        "cusum": monitor.cusum.value,
        "threshold": monitor.threshold,
        "windows": monitor.windows,
    }


def finding_page(finding: Finding) -> dict[str, Any]:
    """Return a finding as the API shows it: its model is in the path."""
    return {key: value for key, value in vars(finding).items() if key != "model"}
