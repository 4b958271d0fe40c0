"""The ServedModels port on a directory of YAML files, one ServedModel each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lifecycle.documents import DocumentRefused
from lifecycle.served_models import ServedModel, read_served_model
from rollout_controller.ports import ServedModelsRead


class ServedModelFiles:
    """Implements `ports.ServedModels`; reads a file again when it changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._good: dict[Path, ServedModel] = {}
        self._refused: dict[Path, str] = {}

    async def read(self) -> ServedModelsRead:
        """Return all ServedModels and every file that was refused, with the reason."""
        paths = sorted(self._directory.glob("*.yaml"))
        for gone in set(self._stamps) - set(paths):
            for kept in (self._stamps, self._good, self._refused):
                kept.pop(gone, None)
        for path in paths:
            self._read_when_changed(path)
        models: dict[str, ServedModel] = {}
        refused = {path.name: reason for path, reason in self._refused.items()}
        for path in paths:
            model = self._good.get(path)
            if model and model.name in models:
                refused[path.name] = f"{path}: {model.name} is in another file too; keep one"
            elif model:
                models[model.name] = model
        return ServedModelsRead(models, refused)

    async def publish(self, model: str, status: Mapping[str, Any]) -> None:
        """Do nothing: a file belongs to whoever wrote it, and people ask the service itself."""

    def _read_when_changed(self, path: Path) -> None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if self._stamps.get(path) == stamp:
                return
            self._stamps[path] = stamp
            self._good[path] = read_served_model(yaml.safe_load(path.read_text(encoding="utf-8")))
            self._refused.pop(path, None)
        except (OSError, UnicodeDecodeError, yaml.YAMLError, DocumentRefused) as error:
            self._refused[path] = f"{path}: {error}"
