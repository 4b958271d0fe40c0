"""A week without drift that goes event by event through the whole service, not as sums of blocks.

The app itself runs, its routes, journal, tables and background work; only its clock is moved by
hand, an hour at a time, and its Reference comes from memory. What it says of each hour is held
against what the simulation computes of the same rows.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgpack
import numpy as np
from bars import Bar, Report
from monitor_files import write_files
from safetensors.numpy import load, save
from texts import LABELS, Kind, home_of_texts

from drift_monitor.app import create_app
from drift_monitor.batches import MAX_ROWS, SCHEMA
from drift_monitor.detectors import comparable, statistics
from drift_monitor.references import Reference, read_languages, read_reference, rows_of_columns
from drift_monitor.settings import DriftMonitorSettings
from servicekit.process import Health

HOURS, ROWS = 168, 1000
_ACCEPTED = 10_000
_DIGEST = "sha256:" + "b" * 64
_TOKEN = "the only one"  # noqa: S105 - of a service that ends with this benchmark
_PATIENCE_SECONDS = 120
_DOMAINS = 4
Columns = Mapping[str, np.ndarray]


def week_bars(report: Report, kinds: Mapping[str, Kind], seed: int = 0) -> Iterator[Bar]:
    """Send a week's texts; what is lost, found, and otherwise than computed."""
    raw = (home_of_texts() / "review.safetensors").read_bytes()
    columns, languages = load(raw), read_languages(raw)
    order = np.random.default_rng(seed).permutation(len(kinds["review"].rows))
    accepted, traffic = (
        {name: values[part] for name, values in columns.items()}
        for part in np.split(order, [_ACCEPTED])
    )
    reference = save(accepted, metadata={"languages": json.dumps(languages)})
    week = _Week(reference, traffic, tuple(languages), np.random.default_rng(seed))
    asyncio.run(week.run())
    what = f"one week, {HOURS * ROWS:,} events through the service"
    yield report.at_most("week-lost", f"{what}: not counted", 0, week.sent - week.counted)
    yield report.at_most("week-findings", f"{what}: false findings", 1, week.findings)
    told = f"{what}: largest difference of its MMD from the simulation's, as a share"
    yield report.at_most("week-gap", told, 0.001, week.gap)


@dataclass
class _Week:
    """What is sent, and what the service said of it. `gap`: the largest relative difference."""

    reference: bytes
    traffic: Columns
    languages: tuple[str, ...]
    rng: np.random.Generator
    now: float = 3600.0 * 500_000
    sent: int = 0
    counted: float = 0
    findings: int = 0
    gap: float = 0.0
    computed: Reference = field(init=False)

    def __post_init__(self) -> None:
        self.computed = read_reference(self.reference, LABELS)

    async def run(self) -> None:
        """Run the service for a week of its clock."""
        with TemporaryDirectory() as folder:
            app = create_app(_settings(Path(folder)), Health(), lambda: self.now, self)
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(app.router.lifespan_context(app))
                transport = httpx.ASGITransport(app)
                headers = {"Authorization": f"Bearer {_TOKEN}"}
                http = httpx.AsyncClient(
                    transport=transport, base_url="http://monitor", headers=headers
                )
                for hour in range(HOURS):
                    await self._hour(http, hour)

    def fetch(self, _digest: str) -> bytes:
        """Implement `ports.References`."""
        return self.reference

    async def _hour(self, http: httpx.AsyncClient, hour: int) -> None:
        rows = self.rng.choice(len(self.traffic["words"]), ROWS, replace=False)
        for start in range(0, ROWS, MAX_ROWS):
            body = self._packed(rows[start : start + MAX_ROWS], f"{hour}-{start}")
            (await http.post("/v1/events", content=body)).raise_for_status()
            self.sent += MAX_ROWS

        async def counted() -> bool:
            text = (await http.get("/metrics")).text
            lines = [line for line in text.splitlines() if "events_total{" in line]
            self.counted = sum(float(line.rsplit(" ", 1)[1]) for line in lines)
            return self.counted >= self.sent

        await _until(counted)
        self.now += 3600.0

        async def tested() -> bool:
            page = (await http.get("/v1/models/sentiment/drift")).json()
            self.findings = len(page["findings"])
            of_all = [s for s in page["versions"][0]["signals"] if s["slice"] == "all"]
            done = [s for s in of_all if s["windows"] == hour + 1]
            if done:
                self._compare(rows, {s["detector"]: s["statistic"] for s in done})
            return bool(done)

        await _until(tested)

    def _compare(self, rows: np.ndarray, said: Mapping[str, float]) -> None:
        """Compute the hour's MMD from its rows, as the simulation does."""
        columns = {name: values[rows] for name, values in self.traffic.items()}
        vectors = self.computed.sketcher.vectors(rows_of_columns(columns, self.languages))
        accepted = self.computed.means["all"]
        mean = vectors.mean(axis=0, dtype=np.float64)
        found = statistics(self.computed.sketcher, ROWS, mean, accepted)
        ours = float(comparable(found, ROWS, accepted.n)["embedding"])
        self.gap = max(self.gap, abs(said["embedding"] - ours) / ours)

    def _packed(self, rows: np.ndarray, name: str) -> bytes:
        columns = {key: values[rows] for key, values in self.traffic.items()}
        names = [f"{name}-{row}" for row in range(len(rows))]
        sent = ("scores", "words", "oov", "non_letter", "truncated")
        domains = self.rng.integers(0, _DOMAINS, len(rows))
        more = {
            "request_id": names,
            "time": [self.now] * len(rows),
            "outcome": ["ok"] * len(rows),
            "latency_ms": [1.0] * len(rows),
            "label": columns["label_indices"].tolist(),
            "language": [self.languages[place] for place in columns["language_index"]],
            "projection": columns["projection"].astype("<f2").tobytes(),
            "fingerprint": [hashlib.sha256(n.encode()).hexdigest()[:32] for n in names],
            "slices": [{"domain": f"d{domain}"} for domain in domains],
        }
        head = {"schema": SCHEMA, "batch_id": name, "model": "sentiment", "version": _DIGEST}
        lists = {key: columns[key].tolist() for key in sent}
        body = {"labels": list(LABELS), "rows": len(rows), "columns": lists | more}
        return bytes(msgpack.packb(head | body))


def _settings(folder: Path) -> DriftMonitorSettings:
    files = write_files(folder, _TOKEN)
    return DriftMonitorSettings(
        data_dir=folder / "data", registry_url="http://127.0.0.1:1", **files
    )


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - it is seen through HTTP only
            await asyncio.sleep(0.05)
