"""What has been measured, kept after every server, as data, as a page and as a picture.

Rows and bars that are not measured again stay as they were written before.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from bars import RESULTS, Bar, Report
from measure import MANY, Row
from plot import draw

_TITLES = {
    "tfidf": "TF-IDF, one text of 64 words a request",
    "keras": "Keras network, one text of 64 words a request",
    "minilm": "MiniLM, one text of natural length a request",
}


class Results:
    """The rows of each part, and the bars."""

    def __init__(self, report: Report) -> None:
        self.report = report
        path = RESULTS / f"{report.name}.json"
        written = json.loads(path.read_text()).get("rows", {}) if path.exists() else {}
        self._rows = {part: [Row(**row) for row in rows] for part, rows in written.items()}

    def rows(self, part: str) -> Sequence[Row]:
        """Return what is known of a part."""
        return self._rows.get(part, [])

    def keep(self, part: str, row: Row) -> None:
        """Add a row, in the place of an older one of the same server, and write."""
        rows = self._rows.setdefault(part, [])
        names = [each.server for each in rows]
        if row.server in names:
            rows[names.index(row.server)] = row
        else:
            rows.append(row)
        self.judge([])

    def judge(self, bars: Sequence[Bar]) -> list[Bar]:
        """Write bars in the place of older ones, with all rows; return all bars."""
        merged = self.report.merged(bars)
        rows = {part: [asdict(row) for row in rows] for part, rows in self._rows.items()}
        pages = [line for part, rows in self._rows.items() for line in _page(part, rows)]
        pages += ["", f"![CPU time of a request]({self.report.name}.png)", "", *self._versions()]
        draw(self._rows, _TITLES, RESULTS / f"{self.report.name}.png")
        self.report.save(merged, {"rows": rows}, pages)
        return merged

    def _versions(self) -> list[str]:
        known = {
            row.family: ", ".join(f"{n} {v}" for n, v in row.versions.items())
            for rows in self._rows.values()
            for row in rows
            if row.family
        }
        lines = [f"| {name} | {versions} |" for name, versions in known.items()]
        return ["| of | versions |", "|---|---|", *lines]


def _page(part: str, rows: Sequence[Row]) -> list[str]:
    connections = sorted({load["connections"] for row in rows for load in row.loads})
    main = rows[0].loads[0]["connections"]
    many = any(row.load(main, MANY) for row in rows)
    heads = ["server", f"CPU us/request, c={main}", f"requests/s, c={main}"]
    heads += [f"{p} ms" for p in ("p50", "p95", "p99")]
    heads += [f"x loop, c={each}" for each in connections]
    heads += [f"{MANY} texts: requests/s", "CPU us"] if many else []
    heads += ["MB", "labels that differ", "largest difference of scores", "failed"]
    lines = ["", f"## {_TITLES[part]}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return lines + [f"| {' | '.join(_cells(row, connections, main, many=many))} |" for row in rows]


def _cells(row: Row, connections: Sequence[int], main: int, *, many: bool) -> list[str]:
    load, more = row.load(main) or {}, row.load(main, MANY) or {}
    cells = [row.server, _number(load.get("cpu_us")), _number(load.get("rate"))]
    cells += [_number(load.get(f"{p}_ms")) for p in ("p50", "p95", "p99")]
    cells += [_number(row.times_alone(each)) for each in connections]
    cells += [_number(more.get("rate")), _number(more.get("cpu_us"))] if many else []
    failed = sum(each["failed"] for each in row.loads)
    cells += [_number(row.memory_mb), _number(row.flips), _number(row.difference), str(failed)]
    return cells


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
