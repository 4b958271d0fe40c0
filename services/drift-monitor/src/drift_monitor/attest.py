"""Turning a pairing's counts into shadow Evidence: counts only, no bounds, no Verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drift_monitor.noise import Noise
from drift_monitor.pairings import ALL_REQUESTS, Pairing
from drift_monitor.tallies import Tallies, Tally
from drift_monitor.windows import ALL
from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects
from stats.quantiles import latency_buckets

PRODUCER = "drift-monitor"


class SubjectsRefused(Exception):
    """The Evidence asked for speaks of other versions than the pairing; the text says which."""


@dataclass(frozen=True)
class Known:
    """What is known of a pairing: its counts, and how often its Baseline disagrees with itself
    (None: no A/A run was made).
    """

    pairing: Pairing
    tallies: Tallies
    noise: Noise | None


def shadow_evidence(known: Known, subjects: Subjects, now: float, expires_at: float) -> Evidence:
    """State what was counted since the mirror began, on slice all and each other Slice.

    Raises SubjectsRefused unless `subjects` names the pairing's own versions.
    """
    pairing, tallies = known.pairing, known.tallies
    for name, mine, theirs in (
        ("model", pairing.candidate, subjects.model),
        ("baseline", pairing.baseline, subjects.baseline),
    ):
        if mine != theirs:
            raise SubjectsRefused(
                f"subjects.{name} is {theirs}, but rollout {pairing.rollout} pairs {mine}"
            )
    statement = _Statement(pairing, tallies, now)
    return Evidence(
        kind=EvidenceKind.SHADOW,
        model=pairing.model,
        subjects=subjects,
        measurements=(*statement.measurements(), *_noise(known)),
        producer=PRODUCER,
        produced_at=now,
        expires_at=expires_at,
        details={"rollout": pairing.rollout, "coverage": tallies.all.coverage},
    )


def _noise(known: Known) -> Iterator[Measurement]:
    noise = known.noise
    if noise:
        counts = {"n": noise.n, "differing": noise.differing}
        at = noise.measured_at
        yield Measurement("noise", ALL, noise.n, counts, f"{PRODUCER}/noise", at, at)


@dataclass(frozen=True)
class _Statement:
    """One pairing as it is counted at one moment."""

    pairing: Pairing
    tallies: Tallies
    now: float

    def measurements(self) -> Iterator[Measurement]:
        for tally in (self.tallies.all, *self.tallies.slices):
            yield self._measurement("pairs", tally.slice, self._pairs(tally))
            labelled = {"n": tally.labelled, "wins": tally.wins, "losses": tally.losses}
            yield self._measurement("labelled", tally.slice, labelled)
            outcomes = {"n": tally.reported, "wins": tally.spared, "losses": tally.failed}
            yield self._measurement("outcomes", tally.slice, outcomes)
        candidate, baseline = self.tallies.latencies
        latencies = {"buckets": _buckets(candidate), "baseline": _buckets(baseline)}
        yield self._measurement("live_latency", ALL, latencies, n=sum(candidate.values()))

    def _pairs(self, tally: Tally) -> dict[str, Any]:
        span = self.tallies.span
        pairs = {
            "n": tally.eligible,
            "bad": tally.bad,
            "missing": tally.missing,
            "eligible": tally.eligible,
            "paired": tally.paired,
            "mirror_percent": self.pairing.mirror_percent if span.partial else ALL_REQUESTS,
        }
        counted = span.mirrored is not None and tally.slice == ALL
        return {**pairs, "mirrored": span.mirrored} if counted else pairs

    def _measurement(
        self, name: str, slice_name: str, counts: Mapping[str, Any], n: int | None = None
    ) -> Measurement:
        span = self.tallies.span
        ended_at = span.until if span.partial and span.until is not None else self.now
        return Measurement(
            name=name,
            slice=slice_name,
            n=counts["n"] if n is None else n,
            counts=counts,
            source=f"{PRODUCER}/{self.pairing.rollout}",
            started_at=span.since,
            ended_at=max(span.since, ended_at),
        )


def _buckets(counted: Mapping[int, int]) -> list[list[float | int | None]]:
    """Return [[upper_ms, count], ...]; above all edges upper_ms is null."""
    edges = (*latency_buckets(), None)
    return [[edges[place], count] for place, count in sorted(counted.items())]
