"""A model's line in `status`: from its services, else from its ServedModel's own status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isogloss.status import model_row

COLUMNS = ("model", "production", "rollout", "route", "reason")


@dataclass(frozen=True)
class ModelStatus:
    """One ServedModel: the ledger's state and the controller's status (None: it did not answer),
    and what stands in the custom resource itself.
    """

    name: str
    state: Any | None
    serving: Any | None
    resource: Mapping[str, Any]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "state": self.state,
            "serving": self.serving,
            "resource": dict(self.resource),
            "reason": self.reason,
        }

    def row(self) -> tuple[str, ...]:
        """Return the line for a person."""
        written = self.resource
        _, production, phase, route = model_row(
            {
                "state": self.state or {"name": self.name, "versions": []},
                "serving": self.serving,
            }
        )
        if self.state is None:
            production = str(written.get("production", "-"))
        if self.serving is None:
            phase = str(written.get("phase", "-"))
            route = str(written.get("weights", "-"))
        return self.name, production, phase, route, self.reason or waiting_reason(self)


def waiting_reason(model: ModelStatus) -> str:
    """Say what a model waits for: a condition that does not hold, the first one that matters."""
    conditions = (model.serving or model.resource).get("conditions", [])
    by_type = {condition["type"]: condition for condition in conditions}
    stalled = by_type.get("Stalled", {})
    if stalled.get("status") == "True":
        return str(stalled["message"])
    good_when_false = ("Stalled", "Reconciling", "Progressing")
    for kind, condition in by_type.items():
        if kind not in good_when_false and condition["status"] == "False":
            return str(condition["message"])
    paused = (model.serving or model.resource).get("paused")
    return f"paused: {paused}" if paused else ""
