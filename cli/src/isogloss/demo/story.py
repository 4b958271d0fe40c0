"""What the steps share: the platform, the voice, and which version is called what."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isogloss.adapters.processes import now
from isogloss.clients.registry_proxy import WaiverRequest
from isogloss.connections import Connections
from isogloss.demo.loads import Loads
from isogloss.demo.narrator import Narrator
from isogloss.demo.plans import DemoPlan
from isogloss.evaluate import evaluate_version
from isogloss.failures import Refused
from isogloss.jobs import Job
from isogloss.rollout_lines import status_line
from isogloss.verdicts import verdict_lines

_WAIVER_SECONDS = 3600.0
_TO_STAGING = "REGISTERED->STAGING"


@dataclass
class Story:
    """One demo under way. `versions` maps a nickname to a digest; `jobs` train beside the steps."""

    plan: DemoPlan
    narrator: Narrator
    loads: Loads
    connections: Connections
    model: str
    reviews: Path
    other_domain: Path
    versions: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)

    def nickname(self, digest: str | None) -> str:
        """Return what the story calls a version."""
        names = {held: name for name, held in self.versions.items()}
        return names.get(digest or "", digest or "-")

    def register(self, name: str, run: Any) -> None:
        """Register a training run's model under a nickname."""
        answer = self.connections.registry.register(self.model, run["run_id"], run["artifact_path"])
        version = answer["version"]
        self.versions[name] = version["digest"]
        self.narrator.tell(f"{name} is version {version['number']}, {version['digest']}")

    def evaluate(self, name: str) -> None:
        """Measure a version over HTTP beside the one in PRODUCTION."""
        evaluate_version(
            self.plan.home,
            self.connections,
            self.model,
            self.versions[name],
            self.narrator.tell,
        )

    def promote(self, name: str) -> None:
        """Move a version to STAGING, and tell the Verdict."""
        answer = self.connections.registry.promote(self.model, self.versions[name], "STAGING")
        self.narrator.tell_all(verdict_lines(answer["verdict"]))
        self.narrator.tell(f"{name} is in STAGING")

    def waive_failed_gates(self, name: str, reason: str) -> None:
        """Let the Gates that do not PASS be passed for an hour, on the way to STAGING only."""
        verdict = self.connections.registry.why(self.model, self.versions[name])["verdict"]
        failed = {r["gate"] for r in verdict["reasons"] if r["outcome"] != "PASS"}
        for gate in sorted(failed):
            waiver = WaiverRequest(
                self.versions[name], gate, _TO_STAGING, reason, now() + _WAIVER_SECONDS
            )
            self.connections.registry.waive(self.model, waiver)
            self.narrator.tell(f"waived for an hour, and on record: {gate}")

    def follow_rollout(self, expected: str, during: Any = None) -> Any:
        """Tell a Rollout's changes until it has ended, and return its last status.

        `during` is called with each status. Raises Refused when it ended otherwise than expected.
        """
        status: Any = {}
        controller = self.connections.controller
        for status in controller.watch(
            self.model, self.plan.rollout_limit_seconds, self.narrator.tell
        ):
            self.narrator.tell(f"[{self.narrator.elapsed():6.1f} s] {self._line(status)}")
            if during:
                during(status)
        if status["phase"] != expected:
            self.narrator.tell_all(verdict_lines(status.get("verdict")))
            raise Refused(
                f"the rollout ended {status['phase']}, not {expected}: "
                f"isogloss models history {self.model} says why"
            )
        return status

    def _line(self, status: Any) -> str:
        line = status_line(status)
        for name, digest in self.versions.items():
            line = line.replace(digest.removeprefix("sha256:")[:12], name)
        return line
