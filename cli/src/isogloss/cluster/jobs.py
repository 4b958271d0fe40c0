"""Runs one Job of the release and follows it: its progress as it comes, then how it ended.

A job's two streams arrive as one in Kubernetes, so the result is the last line that is a JSON
object with a member "job"; what was lost with the log stands in the container's last message.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from isogloss.adapters.kubectl import Kubectl
from isogloss.adapters.processes import pause, signals_held, steady
from isogloss.cluster.job_documents import JOB, NAME_LABEL, JobWish, job_from_template
from isogloss.cluster.job_progress import Ended, JobView, Read, Wait, next_step, patience_for
from isogloss.cluster.kubectl_words import ObjectMissing
from isogloss.cluster.pods import Trouble
from isogloss.failures import Failure, Refused, Unreachable
from isogloss.jobs import Ending
from isogloss.targets import Tell

_LOOK_EVERY_SECONDS = 1.0
_SILENCE_LIMIT_SECONDS = 120.0
"""An API server that restarts is away for so long at most; the job works on meanwhile."""


def run_cluster_job(kubectl: Kubectl, template: str, wish: JobWish, tell: Tell) -> Ending:
    """Create a Job from the CronJob `template`, await it, and say how it ended.

    Ctrl-C deletes it. Raises Refused where it cannot start, with the object that is in the way.
    """
    cronjob = kubectl.get(f"cronjob/{template}")
    name = f"{template}-{secrets.token_hex(3)}"
    try:
        with signals_held():
            kubectl.create(job_from_template(cronjob, name, wish))
        tell(f"job {name} was created")
        return _Following(kubectl, name, tell).to_the_end()
    except KeyboardInterrupt:
        kubectl.delete(f"job/{name}")
        tell(f"job {name} was deleted")
        raise


def result_of(line: str) -> Mapping[str, Any] | None:
    """Return a job's result if that is what a line of its log is."""
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "job" in document else None


class _Following:
    """One Job being followed."""

    def __init__(self, kubectl: Kubectl, name: str, tell: Tell) -> None:
        self._kubectl = kubectl
        self._name = name
        self._tell = tell
        self._lines: dict[str, int] = {}
        self._read: set[str] = set()
        self._since: dict[str, float] = {}
        self._result: Mapping[str, Any] | None = None
        self._last_word = ""

    def to_the_end(self) -> Ending:
        """Follow it until it is over."""
        while True:
            match next_step(self._view(), self._read):
                case Read(pod):
                    self._read_log(pod)
                case Wait(trouble):
                    self._wait(trouble)
                case Ended() as ended:
                    return self._conclude(ended)
            pause(_LOOK_EVERY_SECONDS)

    def _view(self) -> JobView:
        selector = f"--selector={NAME_LABEL}={self._name}"
        found = self._patiently("jobs,pods", selector)
        jobs = [each for each in found if each["kind"] == "Job"]
        pods = [each for each in found if each["kind"] == "Pod"]
        if not jobs:
            raise Refused(f"job {self._name} was deleted by somebody else; start it again")
        started = any(each["metadata"]["name"] in self._lines for each in pods)
        events = [] if started else self._patiently("events", "--field-selector=type=Warning")
        return JobView(jobs[0], pods, events)

    def _patiently(self, *what: str) -> list[Any]:
        deadline = steady() + _SILENCE_LIMIT_SECONDS
        while True:
            try:
                return self._kubectl.items(*what)
            except Unreachable as error:
                if steady() > deadline:
                    raise Unreachable(
                        f"{error}. The job goes on without being watched: "
                        + self._kubectl.spelled(f"logs --follow job/{self._name} -c {JOB}")
                    ) from error
            pause(_LOOK_EVERY_SECONDS)

    def _read_log(self, pod: str) -> None:
        self._since.clear()
        shown = self._lines.setdefault(pod, 0)
        try:
            with self._kubectl.following(pod, JOB) as lines:
                for number, line in enumerate(lines):
                    # After a broken connection the log is given from its beginning again.
                    if number >= shown:
                        self._lines[pod] = number + 1
                        self._take(line)
            self._read.add(pod)
        except (Unreachable, ObjectMissing):
            return
        except Refused as refused:
            # Without the right to read logs the last message still says how it ended.
            self._read.add(pod)
            self._tell(f"no progress is shown: {refused}")

    def _take(self, line: str) -> None:
        result = result_of(line)
        if result is not None:
            self._result = result
        elif line:
            self._last_word = line
            self._tell(line)

    def _wait(self, trouble: Trouble | None) -> None:
        kind, patience = (trouble.kind if trouble else ""), patience_for(trouble)
        if kind not in self._since and trouble:
            self._tell(f"{trouble.text}; waiting for up to {patience:.0f} s")
        if steady() - self._since.setdefault(kind, steady()) > patience:
            self._kubectl.delete(f"job/{self._name}")
            text = trouble.text if trouble else f"job {self._name} did not start in time"
            raise Refused(f"{text}. The job was deleted; set that right and start it again")

    def _conclude(self, ended: Ended) -> Ending:
        said = list(_lines_of(ended.message))
        results = [found for line in said if (found := result_of(line))]
        words = [line for line in said if not result_of(line)]
        look = self._kubectl.spelled(ended.look)
        result = self._result or (results[-1] if results else None)
        if ended.code == 0 and (result is None or result.get("shortened")):
            raise Refused(
                f"job {self._name} has done its work, but its log could not be read, and the "
                f"result is in it: {look}"
            )
        return Ending(ended.code, result, self._last_word or " ".join(words[-1:]), look)


def _lines_of(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())


def no_template(template: str, missing: Failure) -> Refused:
    """Return the sentence for a release without templates of jobs."""
    return Refused(
        f"the release has no CronJob {template}, the template of this job ({missing}); "
        "-n and --release name the release"
    )
