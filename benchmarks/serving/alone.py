"""The in-process loop that servers are held against, and the scores that theirs must equal.

It runs beside the servers, on their core, and is timed anew just before each: a noisy machine
then slows both. What it runs is peers/alone.py, in the environment of the engine.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from environments import OWN, python_of

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Alone:
    """An engine that waits for a line and answers with a line."""

    process: "subprocess.Popen[str]"

    def rate(self, seconds: float) -> float:
        """Return how many texts a second it scores, one after the other."""
        return cast("float", self._ask(["rate", seconds]))

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Return the score of each text's last label."""
        return cast("list[float]", self._ask(["scores", list(texts)]))

    def _ask(self, question: Any) -> Any:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the loop was started without pipes")
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended")
        return json.loads(line)


@contextlib.contextmanager
def alone(engine: str, models: Path, core: int, environment: str = OWN) -> Iterator[Alone]:
    """Load an engine, a module of peers, on a core."""
    command = ["taskset", "-c", str(core), str(python_of(environment)), "alone.py", engine, models]
    with subprocess.Popen(
        command,
        cwd=_HERE / "peers",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield Alone(process)
        finally:
            process.kill()
