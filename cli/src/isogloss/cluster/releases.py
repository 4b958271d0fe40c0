"""What a release's objects are called: the chart's names, said once."""

from collections.abc import Mapping
from dataclasses import dataclass

PORTS: Mapping[str, int] = {
    "registry-proxy": 8100,
    "drift-monitor": 8200,
    "rollout-controller": 8300,
}
"""Of the Services that people call."""
AUDIENCE = "isogloss"
CHART = "charts/isogloss"


@dataclass(frozen=True)
class Release:
    """A Helm release of the chart, by Helm's name for it."""

    name: str

    @property
    def fullname(self) -> str:
        """Return what every object's name begins with."""
        return self.name if "isogloss" in self.name else f"{self.name}-isogloss"

    def object(self, part: str) -> str:
        """Return the name of one of its objects: `F-registry-proxy`."""
        return f"{self.fullname}-{part}"
