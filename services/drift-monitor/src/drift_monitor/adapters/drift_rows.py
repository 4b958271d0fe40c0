"""Windows, monitors, findings and nulls as rows; sums as raw little arrays."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from sqlalchemy import Connection, RowMapping, delete, func, select, union, update

from drift_monitor.adapters.tables import FINDINGS, MONITORS, NULLS, READINGS, VERSIONS, WINDOWS
from drift_monitor.adapters.upserts import insert_into, put
from drift_monitor.detectors import Cosine
from drift_monitor.findings import Finding
from drift_monitor.monitors import Monitor, Reading
from drift_monitor.ports import StoreUnavailable
from drift_monitor.windows import ALL, Window
from stats.cusum import Cusum


class DriftRows:
    """Implements `ports.Drift` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open_window(self, version: str, slice_name: str) -> Window | None:
        """Return the Window that rows are added to."""
        query = select(WINDOWS).where(
            WINDOWS.c.version == version, WINDOWS.c.slice == slice_name, ~WINDOWS.c.closed
        )
        row = self._connection.execute(query).mappings().first()
        return _window(row) if row else None

    def closed_until(self, version: str, slice_name: str) -> float:
        """Return the end of the last Window that is closed or tested; 0 before the first."""
        of_slice = (WINDOWS.c.version == version) & (WINDOWS.c.slice == slice_name)
        closed = select(func.max(WINDOWS.c.end)).where(of_slice, WINDOWS.c.closed)
        was = (READINGS.c.version == version) & (READINGS.c.slice == slice_name)
        tested = select(func.max(READINGS.c.end)).where(was)
        ends = (self._connection.execute(query).scalar() for query in (closed, tested))
        return max(float(end or 0.0) for end in ends)

    def save_window(self, window: Window, *, closed: bool = False) -> None:
        """Store a Window by version, slice and start."""
        values = vars(window) | {"sums": window.sums.tobytes(), "closed": closed}
        put(self._connection, WINDOWS, values)

    def windows(self, *, closed: bool) -> list[Window]:
        """Return the closed Windows, oldest first, or those still open."""
        query = select(WINDOWS).where(WINDOWS.c.closed == closed).order_by(WINDOWS.c.end)
        return [_window(row) for row in self._connection.execute(query).mappings()]

    def tested(
        self, window: Window, monitors: Mapping[str, Monitor], cosine: Cosine | None
    ) -> None:
        """Replace a closed Window by what its Detectors made of it."""
        self._take_out(window)
        of_slice = {"version": window.version, "slice": window.slice}
        for detector, monitor in monitors.items():
            of_signal = of_slice | {"detector": detector}
            state = json.dumps(asdict(monitor))
            put(self._connection, MONITORS, of_signal | {"state": state})
            if monitor.last is not None:
                put(self._connection, READINGS, of_signal | _reading(monitor.last, monitor))
        if window.slice == ALL and cosine is not None:
            of_version = VERSIONS.c.digest == window.version
            said = {"cosine": cosine.distance, "cosine_false_alarms": cosine.false_alarms}
            self._connection.execute(update(VERSIONS).where(of_version).values(said))

    def _take_out(self, window: Window) -> None:
        """Delete a closed Window; StoreUnavailable when somebody else tested it meanwhile."""
        gone = self._connection.execute(
            delete(WINDOWS).where(
                WINDOWS.c.version == window.version,
                WINDOWS.c.slice == window.slice,
                WINDOWS.c.start == window.start,
            )
        )
        if not gone.rowcount:
            raise StoreUnavailable("another replica has tested this Window")

    def monitors(self, version: str) -> dict[str, dict[str, Monitor]]:
        """Return the monitors of a version by Slice and Detector."""
        query = select(MONITORS).where(MONITORS.c.version == version)
        found: dict[str, dict[str, Monitor]] = {}
        for row in self._connection.execute(query):
            found.setdefault(row.slice, {})[row.detector] = _monitor(json.loads(row.state))
        return found

    def slices(self, version: str) -> set[str]:
        """Return the Slices that have a Window or a monitor."""
        found = union(
            select(WINDOWS.c.slice).where(WINDOWS.c.version == version),
            select(MONITORS.c.slice).where(MONITORS.c.version == version),
        )
        return set(self._connection.execute(found).scalars())

    def cosine(self, version: str) -> Cosine | None:
        """Return what the naive rule said of the last tested Window; None before the first."""
        columns = VERSIONS.c.cosine, VERSIONS.c.cosine_false_alarms
        row = self._connection.execute(select(*columns).where(VERSIONS.c.digest == version)).first()
        return None if row is None or row[0] is None else Cosine(*row)


class FindingRows:
    """Implements `ports.Findings` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, finding: Finding) -> None:
        """Store a finding; the same one again keeps when it began and moves the rest on."""
        values = asdict(finding)
        kept = {"id", "since", "found_at"}
        moving = {key: value for key, value in values.items() if key not in kept}
        statement = insert_into(self._connection, FINDINGS).values(values)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=moving)
        )

    def of_model(self, model: str) -> list[Finding]:
        """Return a model's findings, newest first."""
        query = (
            select(FINDINGS).where(FINDINGS.c.model == model).order_by(FINDINGS.c.found_at.desc())
        )
        return [Finding(**row) for row in self._connection.execute(query).mappings()]


class NullRows:
    """Implements `ports.Nulls` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, version: str, part: str) -> bytes | None:
        """Return what was kept of a part of a version's Reference, or None."""
        query = select(NULLS.c.content).where(NULLS.c.version == version, NULLS.c.part == part)
        content: bytes | None = self._connection.execute(query).scalar()
        return content

    def save(self, version: str, part: str, content: bytes) -> None:
        """Keep it; what is there already stays."""
        values = {"version": version, "part": part, "content": content}
        insert = insert_into(self._connection, NULLS).values(values)
        self._connection.execute(insert.on_conflict_do_nothing())


def _reading(last: Reading, monitor: Monitor) -> dict[str, float]:
    names = ("end", "n", "statistic", "p_value")
    state = {"cusum": monitor.cusum.value, "threshold": monitor.threshold}
    return {name: getattr(last, name) for name in names} | state


def _window(row: RowMapping) -> Window:
    return Window(
        version=row["version"],
        slice=row["slice"],
        start=row["start"],
        end=row["end"],
        n=row["n"],
        sums=np.frombuffer(row["sums"], dtype=np.float64),
        seen=row["seen"],
    )


def _monitor(state: dict[str, Any]) -> Monitor:
    last = Reading(**state["last"]) if state["last"] else None
    return Monitor(**state | {"cusum": Cusum(**state["cusum"]), "last": last})
