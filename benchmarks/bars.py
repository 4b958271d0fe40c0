# ruff: noqa: INP001 - shared by scripts, not a package
"""What a benchmark reports: bars with limits, as JSON and as a table to read."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Bar:
    """One number with its limit. `limit` None: for information; `value` None: it could not be
    measured, which counts as not met. `how` is the command that repeats it; `commit` and `at` say
    what was measured and when, since a part may be measured again without the others.
    """

    id: str
    what: str
    op: str
    limit: float | None
    value: float | None
    met: bool | None
    how: str
    commit: str
    at: str


@dataclass(frozen=True)
class Report:
    """A benchmark: its name (of the files too), the command, the versions of what was measured."""

    name: str
    command: str
    versions: Mapping[str, str]
    started: float

    def at_most(self, name: str, what: str, limit: float, value: float | None) -> Bar:
        """Return a bar that any value up to the limit meets."""
        return self._bar(name, what, ("<=", limit), value)

    def at_least(self, name: str, what: str, limit: float, value: float | None) -> Bar:
        """Return a bar that any value from the limit on meets."""
        return self._bar(name, what, (">=", limit), value)

    def shown(self, name: str, what: str, value: float | None) -> Bar:
        """Return a number without a limit."""
        return self._bar(name, what, ("", None), value)

    def write(self, bars: Sequence[Bar]) -> bool:
        """Write results/NAME.json and .md, print the table; return whether every bar is met."""
        self.save(bars)
        tell("\n".join(self._table(bars)))
        return all(bar.met is not False for bar in bars)

    def merged(self, bars: Sequence[Bar]) -> list[Bar]:
        """Return the bars that were written before, each one that is measured anew exchanged."""
        path = RESULTS / f"{self.name}.json"
        written = json.loads(path.read_text())["bars"] if path.exists() else []
        fresh = {bar.id: bar for bar in bars}
        kept = [fresh.pop(each["id"], None) or Bar(**each) for each in written]
        return [*kept, *fresh.values()]

    def save(
        self,
        bars: Sequence[Bar],
        more: Mapping[str, Any] | None = None,
        pages: Sequence[str] = (),
    ) -> None:
        """Write results/NAME.json and .md: after every part, so that a broken one loses none.

        `more` is also in the JSON document, `pages` are the lines of the .md below its table.
        """
        document = {
            "name": self.name,
            "commit": _commit(),
            "machine": f"{processor()}, {os.cpu_count()} cores",
            "versions": {"python": platform.python_version(), **self.versions},
            "started": _time(self.started),
            "seconds": round(time.time() - self.started),
            "bars": [asdict(bar) for bar in bars],
            **(more or {}),
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self.name}.json").write_text(json.dumps(document, indent=2) + "\n")
        lines = [*self._table(bars), *pages]
        (RESULTS / f"{self.name}.md").write_text("\n".join(lines) + "\n")

    def _bar(
        self, name: str, what: str, limit: tuple[str, float | None], value: float | None
    ) -> Bar:
        met = _met(*limit, value)
        return Bar(name, what, *limit, value, met, self.command, _commit(), _time(time.time()))

    def _table(self, bars: Sequence[Bar]) -> list[str]:
        title = self.name.replace("-", " ").capitalize()
        made = f"`{self.command}`, {processor()}, {os.cpu_count()} cores, {_time(self.started)}."
        head = ["| what | value | bar | measured, at commit |", "|---|---|---|---|"]
        return [f"# {title}", "", made, "", *head, *map(_row, bars)]


def tell(line: str) -> None:
    """Print progress and results."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run_line(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@cache
def _commit() -> str:
    return run_line("git", "-C", str(RESULTS), "rev-parse", "HEAD")


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _met(op: str, limit: float | None, value: float | None) -> bool | None:
    if limit is None:
        return None
    return value is not None and (value <= limit if op == "<=" else value >= limit)


def _row(bar: Bar) -> str:
    measured = f"{bar.at}, {bar.commit[:7]}"  # parts may be of different hours
    return f"| {bar.what} | {_value(bar)} | {_verdict(bar)} | {measured} |"


def _value(bar: Bar) -> str:
    return "not measured" if bar.value is None else f"{bar.value:.3g}"


def _verdict(bar: Bar) -> str:
    if bar.met is None:
        return ""
    return f"{bar.op} {bar.limit:g}: {'met' if bar.met else 'MISSED'}"
