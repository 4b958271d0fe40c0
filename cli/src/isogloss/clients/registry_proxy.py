"""The registry-proxy's routes that people use: policies, versions, Transitions, the ledger."""

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from isogloss.adapters.http import Service

_MLFLOW = "/api/2.0/mlflow"


@dataclass(frozen=True)
class WaiverRequest:
    """One Gate to be let pass on one move of one version, until a time in epoch seconds."""

    digest: str
    gate: str
    move: str
    reason: str
    expires_at: float


class RegistryProxy:
    """The ledger's door, with the operator's token."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def put_policy(self, model: str, policy: bytes) -> Any:
        """Record a model's gate policy; idempotent."""
        headers = {"Content-Type": "application/yaml"}
        path = f"/v1/models/{model}/policy"
        return self._service.send("PUT", path, content=policy, headers=headers).json()

    def models(self) -> list[Any]:
        """Return the state of every model."""
        return list(self._service.get("/v1/models")["models"])

    def model(self, model: str) -> Any:
        """Return one model's state."""
        return self._service.get(f"/v1/models/{model}")

    def version(self, model: str, reference: str) -> Any:
        """Return one version by number, digest, or a Stage of one (`production`)."""
        return self._service.get(f"/v1/models/{model}/versions/{reference}")

    def register(self, model: str, run_id: str, artifact_path: str) -> Any:
        """Copy a run's artifact in and record it as a version; idempotent by digest."""
        body = {"run_id": run_id, "artifact_path": artifact_path}
        return self._service.post(f"/v1/models/{model}/versions", body)

    def why(self, model: str, reference: str) -> Any:
        """Return the Verdict on the next move forward; nothing is recorded."""
        return self._service.get(f"/v1/models/{model}/versions/{reference}/why")

    def promote(self, model: str, reference: str, to: str) -> Any:
        """Ask for a Transition of a version, as of the model's sequence at this moment."""
        state = self.model(model)
        digest = self.version(model, reference)["digest"]
        body = {"digest": digest, "to": to, "expected_seq": state["seq"]}
        return self._service.post(f"/v1/models/{model}/transitions", body)

    def waive(self, model: str, waiver: WaiverRequest) -> Any:
        """Record a waiver."""
        return self._service.post(f"/v1/models/{model}/waivers", asdict(waiver))

    def approve(self, model: str, reference: str, move: str | None, reason: str) -> Any:
        """Record an approval of a version's move, by default the next one forward."""
        digest = self.version(model, reference)["digest"]
        body = {"digest": digest, "move": move or self.why(model, reference)["move"]}
        return self._service.post(f"/v1/models/{model}/approvals", {**body, "reason": reason})

    def history(self, model: str) -> list[Any]:
        """Return a model's ledger entries, oldest first."""
        return list(self._service.get(f"/v1/models/{model}/history")["entries"])

    def plan(self, model: str, power: float, share: float) -> Any:
        """Return what the Gates of a Rollout will need, at a canary's share of the requests."""
        return self._service.get(f"/v1/models/{model}/plan?power={power}&share={share}")

    def replay(self, model: str, rollout: str | None) -> list[Any]:
        """Have the recorded Verdicts of a Rollout's steps judged again."""
        asked = f"?rollout={rollout}" if rollout else ""
        return list(self._service.get(f"/v1/models/{model}/replay{asked}")["steps"])

    def collect_artifacts(self, older_than_hours: float, *, dry_run: bool) -> Any:
        """Have artifacts removed that no version names and that are so old."""
        body = {"older_than_hours": older_than_hours, "dry_run": dry_run}
        return self._service.post("/v1/artifacts/collections", body)

    def kept_file(self, digest: str, name: str) -> str:
        """Return one file of what is kept under a digest."""
        return self._service.send("GET", f"/v1/artifacts/{digest}/files/{name}").text

    def run_files(self, run_id: str, folder: str) -> list[str]:
        """Return the names of the files in a folder of a run, as the door to MLflow lists them."""
        listed = self._service.get(f"{_MLFLOW}/artifacts/list?run_id={run_id}&path={quote(folder)}")
        files = [each["path"] for each in listed.get("files", []) if not each.get("is_dir")]
        return [PurePosixPath(path).name for path in files]

    def run_file(self, run_id: str, folder: str, name: str) -> bytes:
        """Return one file of a run's folder."""
        run = self._service.get(f"{_MLFLOW}/runs/get?run_id={run_id}")["run"]
        root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        path = f"/api/2.0/mlflow-artifacts/artifacts/{root}/{quote(folder)}/{quote(name)}"
        return self._service.send("GET", path).content

    def verify(self, anchor: str | None = None) -> Any:
        """Have the ledger's chain walked, up to its end and through an entry that was seen."""
        asked = f"?anchor={anchor}" if anchor else ""
        return self._service.get(f"/v1/ledger/verify{asked}")

    def export(self) -> list[str]:
        """Return all entries, one JSON object a line."""
        return self._service.send("GET", "/v1/ledger").text.splitlines()
