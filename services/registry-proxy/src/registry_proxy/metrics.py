"""Every metric of this process. What happened is counted from the ledger's own entries, so the
numbers cannot differ from the book.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from lifecycle.digests import canonical_json
from lifecycle.ledger import EntryKind, LedgerEntry
from lifecycle.verdicts import verdict_from_dict
from registry_proxy.artifacts.collect import Collected

_PREFIX = "isogloss_registry"


class DoorMetrics:
    """What the door to MLflow refused, and MLflow's aliases."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            f"{_PREFIX}_door_refused_total",
            "Calls to MLflow that did not pass, by reason.",
            ["reason"],
            registry=registry,
        )
        self.put_back = Counter(
            f"{_PREFIX}_aliases_put_back_total",
            "Aliases of MLflow that were not as they had been left, and were put back.",
            ["model", "alias"],
            registry=registry,
        )
        self.aliases_stale = Gauge(
            f"{_PREFIX}_aliases_stale_seconds",
            "Seconds since MLflow's aliases could not be kept to the ledger; 0 while they are.",
            registry=registry,
        )

    def count_refusal(self, reason: str) -> None:
        """Count a call that did not pass."""
        self.refused.labels(reason).inc()

    def count_put_back(self, model: str, alias: str, times: int) -> None:
        """Count an alias that was put back; 0 makes its count begin."""
        self.put_back.labels(model, alias).inc(times)


class RegistryMetrics:
    """The counters, in a registry of their own so that tests can build many."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", text, registry=registry)

        self._entries = counter("entries_total", "Ledger entries written, by kind.", "kind")
        self._head = gauge("head_seq", "Number of the last ledger entry written by this process.")
        self.ledger_broken = gauge(
            "ledger_broken",
            "1 if the ledger's chain of hashes was broken when this process started, else 0.",
        )
        self.admitted_stale = gauge(
            "admitted_stale_seconds",
            "Seconds since the cluster's admitted versions were what the ledger says; 0 if they "
            "are, or if no ConfigMap is kept.",
        )
        self._transitions = counter(
            "transitions_total",
            "Moves of versions made, or requests denied: moved, FAIL, INCONCLUSIVE, refused.",
            *("model", "outcome"),
        )
        self._verdicts = counter(
            "gate_verdicts_total",
            "Reasons that Gates gave in recorded Verdicts, by Gate and outcome.",
            *("model", "gate", "outcome"),
        )
        self.requests = counter(
            "requests_total", "Requests answered, by route and status.", "route", "status"
        )
        self.seconds = Histogram(
            f"{_PREFIX}_request_seconds",
            "Seconds until the answer was complete, by route.",
            ["route"],
            registry=registry,
        )

    def observe_entries(self, entries: Sequence[LedgerEntry]) -> None:
        """Count what was written."""
        for entry in entries:
            self._entries.labels(entry.kind).inc()
            self._head.set(entry.seq)
            if entry.kind is EntryKind.TRANSITION:
                self._transitions.labels(entry.model, "moved").inc()
            elif entry.kind is EntryKind.DENIED:
                self._count_denial(entry)
        self._count_reasons(entries)

    def _count_denial(self, entry: LedgerEntry) -> None:
        verdict = entry.body["verdict"]
        self._transitions.labels(entry.model, verdict["outcome"] if verdict else "refused").inc()

    def _count_reasons(self, entries: Sequence[LedgerEntry]) -> None:
        """Count each Verdict of a page once, however many of its entries carry it."""
        carried = ((e.model, e.body.get("verdict")) for e in entries)
        told = {canonical_json(verdict): (model, verdict) for model, verdict in carried if verdict}
        for model, verdict in told.values():
            for reason in verdict_from_dict(verdict).reasons:
                self._verdicts.labels(model, reason.gate, reason.outcome).inc()


class EventMetrics:
    """What became of the events, by receiver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tries = Counter(
            f"{_PREFIX}_events_total",
            "Tries to tell a receiver of an entry, by outcome: delivered, refused, silent.",
            ["receiver", "outcome"],
            registry=registry,
        )
        self._oldest = Gauge(
            f"{_PREFIX}_event_oldest_seconds",
            "Age of the oldest entry that a receiver has not taken; 0 if it knows all.",
            ["receiver"],
            registry=registry,
        )

    def count(self, receiver: str, outcome: str) -> None:
        """Count a try."""
        self._tries.labels(receiver, outcome).inc()

    def observe_oldest(self, receiver: str, age: float) -> None:
        """Note for how long a receiver's oldest event has waited."""
        self._oldest.labels(receiver).set(age)


class CollectionMetrics:
    """What collections of artifacts removed and left."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._collected = Counter(
            f"{_PREFIX}_artifacts_collected_total",
            "Artifacts removed because no version named them.",
            registry=registry,
        )
        self._freed = Counter(
            f"{_PREFIX}_artifacts_freed_bytes_total",
            "Bytes of artifacts removed because no version named them.",
            registry=registry,
        )
        self._unnamed = Gauge(
            f"{_PREFIX}_artifacts_unnamed",
            "Artifacts that no version named and the last collection left, being too young.",
            registry=registry,
        )

    def observe_collection(self, collected: Collected) -> None:
        """Count one collection."""
        self._collected.inc(len(collected.removed))
        self._freed.inc(collected.freed_bytes)
        self._unnamed.set(len(collected.spared))
