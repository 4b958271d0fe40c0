"""manifests/ and skaffold.yaml as they lie in the tree."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "manifests"


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def objects():
    """Every Kubernetes object in manifests/, with the file it stands in."""
    found = []
    for path in sorted(MANIFESTS.rglob("*.yaml")):
        if path.name not in {"values.yaml", "kustomization.yaml"}:
            name = str(path.relative_to(MANIFESTS))
            found += [(name, each) for each in yaml.safe_load_all(path.read_text()) if each]
    return found


@pytest.fixture(scope="session")
def skaffold():
    return yaml.safe_load((ROOT / "skaffold.yaml").read_text())


@pytest.fixture(scope="session")
def values():
    """The chart's values."""
    return yaml.safe_load((ROOT / "charts/isogloss/values.yaml").read_text())
