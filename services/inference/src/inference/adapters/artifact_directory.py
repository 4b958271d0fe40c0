"""An artifact that is a directory already: a laptop, an edge device, a mounted volume."""

from pathlib import Path

from inference.ports import ArtifactRefused
from textmodels.artifacts import ArtifactError, read_manifest


class ArtifactDirectory:
    """The artifact in one directory; raises ArtifactRefused when it holds no manifest."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            self.digest = read_manifest(directory).digest
        except ArtifactError as error:
            raise ArtifactRefused(f"{directory} is not an artifact: {error}") from error

    def fetch(self) -> Path:
        """Return the directory."""
        return self._directory
