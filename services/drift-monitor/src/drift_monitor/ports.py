"""What this service needs from outside: a journal, tables, and the registry's References.

Tables are read and written inside one transaction, which also moves the journal's mark forward,
so a batch is counted once whatever crashes when.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from drift_monitor.answers import Answer, AnswerColumns
from drift_monitor.batches import EventBatch
from drift_monitor.buckets import Bucket, PastReading
from drift_monitor.detectors import Cosine
from drift_monitor.findings import Finding
from drift_monitor.labelling import Candidate, Drawn
from drift_monitor.mirrored import Span
from drift_monitor.monitors import Monitor
from drift_monitor.noise import Noise, Repeats
from drift_monitor.pairings import Pairing
from drift_monitor.tallies import Tallies
from drift_monitor.traffic_ports import AcceptedFiles, Traffic
from drift_monitor.windows import Window


class JournalRefused(Exception):
    """A batch cannot be written down, so it must not be acknowledged."""


class StoreUnavailable(Exception):
    """The tables cannot be read or written now; nothing of the transaction was kept."""


class RegistryUnavailable(Exception):
    """The registry-proxy did not answer; the question may be asked again."""


class ReferenceRefused(Exception):
    """The version has no Reference, or not the one its digest promises."""


@dataclass(frozen=True)
class Record:
    """One journalled batch; `batch` is its body as read, where somebody has read it."""

    seq: int
    received_at: float
    body: bytes
    batch: EventBatch | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Version:
    """A ModelVersion that has sent events; `row` is its key in the tables."""

    row: int
    model: str
    digest: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """One report on the time up to `until`: a paragraph, its facts as JSON, a page of HTML."""

    until: float
    summary: str
    facts: str
    page: str


class Journal(Protocol):
    """Batches in order, written before they are acknowledged."""

    def append(self, received_at: float, body: bytes) -> Record:
        """Write one record; JournalRefused leaves the journal as it was."""

    def read_after(self, applied: int) -> Iterator[Record]:
        """Yield the records above a number."""

    def forget(self, applied: int) -> None:
        """Drop records up to a number, in larger pieces."""


class References(Protocol):
    """References of versions by digest, from the registry-proxy."""

    def fetch(self, digest: str) -> bytes:
        """Return the verified reference.safetensors; ReferenceRefused, RegistryUnavailable."""


class Progress(Protocol):
    """Which records and batches are counted already."""

    def applied(self) -> int:
        """Return the number of the last record that is in the tables."""

    def advance(self, seq: int) -> None:
        """Set that number."""

    def note_new(self, batches: Mapping[str, float]) -> set[str]:
        """Note batch ids with their times of arrival; return those that nobody noted before."""

    def recent_batches(self, count: int) -> list[str]:
        """Return the newest batch ids, oldest first."""

    def may_decide(self, now: float, until: float) -> bool:
        """Take the lease, or keep it; False while another replica holds it."""


class Answers(Protocol):
    """Answers and labels by request id."""

    def add(self, version: Version, received_at: float, answers: Sequence[Answer]) -> None:
        """Keep answers; a request id that was answered before keeps its first."""

    def hold(self, version: Version, received_at: float, columns: AnswerColumns) -> None:
        """Keep a batch's answers packed, for as long as nobody compares them."""

    def drop_held(self, version: Version, most: int) -> None:
        """Drop the oldest batches that are held of a version, down to about `most` rows."""

    def unpack_held(self, model: str, digest: str) -> None:
        """Add what is held of a version, so that it is seen by `tally` and `repeats`."""

    def label(self, received_at: float, labels: Mapping[str, str]) -> None:
        """Keep labels by request id; a later one replaces an earlier."""

    def tally(self, pairing: Pairing, span: Span) -> Tallies:
        """Count a pairing over a Span."""

    def count(self, version: Version, received_from: float = 0.0) -> int:
        """Return how many answers of a version are kept, packed or not, that came from then on."""

    def repeats(self, model: str, digest: str, since: float) -> Repeats:
        """Count a version's answered texts from `since` on, and those answered twice."""

    def unused(self, request_ids: Collection[str]) -> int:
        """Count the requests that are on no list and among no pairing's answers."""

    def labels_since(self, since: float) -> int:
        """Return how many labels came from `since` on, for all models."""

    def forget_unmirrored(self, pairing: Pairing, received_before: float) -> None:
        """Drop the Baseline's answers to requests that the Candidate never told of."""


class Registered(Protocol):
    """Pairings and versions."""

    def put(self, pairings: Iterable[Pairing]) -> None:
        """Store pairings by model and rollout."""

    def pairings(self, model: str | None = None) -> list[Pairing]:
        """Return the pairings of a model, or all, newest first."""

    def version(self, model: str, digest: str, labels: tuple[str, ...]) -> Version:
        """Return a version's row, made when it is new."""

    def versions(self, model: str | None = None) -> list[Version]:
        """Return the versions of a model, or all."""

    def put_noise(self, noise: Noise) -> None:
        """Keep what the last A/A run of a version measured."""

    def noise(self, model: str, digest: str) -> Noise | None:
        """Return it, None where there was none."""


class Drift(Protocol):
    """Windows that are being filled or wait for their test, and what the tests said."""

    def open_window(self, version: str, slice_name: str) -> Window | None:
        """Return the Window that rows are added to."""

    def closed_until(self, version: str, slice_name: str) -> float:
        """Return the end of the last Window that is closed or tested; 0 before the first."""

    def save_window(self, window: Window, *, closed: bool = False) -> None:
        """Store a Window by version, slice and start."""

    def windows(self, *, closed: bool) -> list[Window]:
        """Return the Windows to be tested, oldest first, or those still open."""

    def tested(
        self, window: Window, monitors: Mapping[str, Monitor], cosine: Cosine | None
    ) -> None:
        """Replace a closed Window by what its Detectors made of it."""

    def monitors(self, version: str) -> dict[str, dict[str, Monitor]]:
        """Return the monitors of a version by Slice and Detector."""

    def slices(self, version: str) -> set[str]:
        """Return the Slices that have a Window or a monitor."""

    def cosine(self, version: str) -> Cosine | None:
        """Return what the naive rule said of the last tested Window of slice all."""


class Findings(Protocol):
    """DriftFindings."""

    def add(self, finding: Finding) -> None:
        """Store a finding, or the same one confirmed."""

    def of_model(self, model: str) -> list[Finding]:
        """Return a model's findings, newest first."""


class Nulls(Protocol):
    """What quiet traffic does, by version and part of its Reference."""

    def load(self, version: str, part: str) -> bytes | None:
        """Return what was kept, or None."""

    def save(self, version: str, part: str, content: bytes) -> None:
        """Keep it; what is there already stays."""


class Buckets(Protocol):
    """What Slices add up to over time, and what the Detectors said."""

    def add(self, bucket: Bucket) -> None:
        """Add rows to a bucket."""

    def between(self, version: str, start: float, end: float) -> list[Bucket]:
        """Return a version's buckets that begin in [start, end), oldest first."""

    def versions_since(self, start: float) -> set[str]:
        """Return the digests that have buckets which begin at `start` or later."""

    def readings(self, version: str, start: float, end: float) -> list[PastReading]:
        """Return what was said of the Windows that ended in (start, end], oldest first."""


class Sample(Protocol):
    """Rows drawn for labelling, by version and cohort (its start)."""

    def offer(self, version: str, cohort: float, candidates: Sequence[Candidate]) -> None:
        """Keep candidates by request id; a repeated one changes nothing."""

    def full_strata(self, version: str, cohort: float) -> dict[int, int]:
        """Return the largest priority kept of each stratum that has enough candidates."""

    def open_cohorts(self) -> list[tuple[str, float]]:
        """Return (version, cohort) of those whose list is not made yet."""

    def candidates(self, version: str, cohort: float) -> list[Candidate]:
        """Return the candidates of an open cohort."""

    def close(self, version: str, cohort: float, chosen: Mapping[str, float]) -> None:
        """Make the list: request ids with the probability they were drawn with."""

    def drawn(self, version: str, since: float) -> list[Drawn]:
        """Return what cohorts that began at `since` or later drew, by their time of labelling."""


class Reports(Protocol):
    """Weekly reports by model and the time they were made for."""

    def put(self, model: str, report: Report) -> None:
        """Keep a report, instead of an earlier one for the same time."""

    def of_model(self, model: str) -> list[Report]:
        """Return a model's reports, newest first."""


class Transaction(Protocol):
    """All tables, together or not at all."""

    progress: Progress
    answers: Answers
    registered: Registered
    drift: Drift
    findings: Findings
    nulls: Nulls
    buckets: Buckets
    sample: Sample
    traffic: Traffic
    accepted: AcceptedFiles
    reports: Reports

    def forget(self, now: float, retention_seconds: float) -> None:
        """Drop what is older than it has to be kept."""


class Store(Protocol):
    """The database."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that may write; StoreUnavailable on leaving it, nothing is kept."""

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a transaction that only reads and holds nobody up."""
