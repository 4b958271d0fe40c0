"""The load generator as a process of its own, one result file a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from isogloss.adapters.processes import Processes, pause
from isogloss.failures import Refused
from isogloss.files import read_json
from isogloss.homes import Home

_LOOK_EVERY_SECONDS = 0.2
_FIRST_ANSWER_LIMIT_SECONDS = 60.0
# Runs begin far from each other in their texts: users do not repeat each other word for word, and
# the drift-monitor finds it when they do.
_TEXTS_APART = 1901


@dataclass(frozen=True)
class LoadRequest:
    """One run: a name for its result file, the texts, requests a second, and how long it lasts
    in seconds (None: until it is stopped).
    """

    name: str
    texts: Path
    rate: float
    seconds: float | None = None
    feedback: bool = False
    domain: str = "imdb"


class Loads:
    """The runs of one demo; results are in `demo/load-NAME.json` of its home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._processes = Processes(home)
        self._runs = count()
        (home.root / "demo").mkdir(mode=0o700, exist_ok=True)

    def results(self) -> dict[str, Any]:
        """Return what every run wrote, by name, in the order of their start."""
        found = {
            path.stem.removeprefix("load-"): read_json(path)
            for path in (self._home.root / "demo").glob("load-*.json")
        }
        written = {name: counts for name, counts in found.items() if counts}
        return dict(sorted(written.items(), key=lambda item: item[1]["started_at"]))

    def run(self, request: LoadRequest) -> Any:
        """Run to its end and return the counts."""
        with self.running(request):
            while self._processes.find(f"load-{request.name}"):
                pause(_LOOK_EVERY_SECONDS)
        return self.counts(request.name)

    @contextmanager
    def running(self, request: LoadRequest) -> Iterator[None]:
        """Have it run for as long as the block lasts; its last answers are awaited at the end."""
        name = f"load-{request.name}"
        try:
            self._processes.start(name, self._command(request), {})
            self._await_first_answer(request.name)
            yield
        finally:
            self._processes.stop(name)

    def counts(self, name: str) -> Any:
        """Return one run's counts; Refused when it did not come to its end."""
        counts = read_json(self._path(name))
        if not counts or not counts["complete"]:
            raise Refused(
                f"the load {name} did not end as it should. The end of its log:\n"
                + self._processes.last_lines(f"load-{name}")
            )
        return counts

    def _await_first_answer(self, name: str) -> None:
        """Wait until it has sent something: reading the texts takes a moment."""
        looks = int(_FIRST_ANSWER_LIMIT_SECONDS / _LOOK_EVERY_SECONDS)
        for _ in range(looks):
            if (read_json(self._path(name)) or {}).get("requests"):
                return
            if self._processes.find(f"load-{name}") is None:
                break
            pause(_LOOK_EVERY_SECONDS)
        self.counts(name)

    def _command(self, request: LoadRequest) -> list[str]:
        command = [sys.executable, "-m", "isogloss", "--home", str(self._home.root), "load"]
        command += [str(request.texts), "--rate", str(request.rate)]
        command += ["--skip", str(_TEXTS_APART * next(self._runs))]
        command += [
            "--slice",
            f"domain={request.domain}",
            "--result",
            str(self._path(request.name)),
        ]
        if request.seconds is not None:
            command += ["--seconds", str(request.seconds)]
        return [*command, "--feedback"] if request.feedback else command

    def _path(self, name: str) -> Path:
        return self._home.root / "demo" / f"load-{name}.json"
