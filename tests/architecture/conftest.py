"""Reading the tree as text: members, their modules and what each module imports."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    package: str
    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def file(self):
        return str(self.path.relative_to(ROOT))

    @property
    def parts(self):
        return self.name.split(".")

    def imports(self):
        """Dotted names of all imported modules, wherever in the file they are imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def top_level_imports(self):
        return {name.split(".")[0] for name in self.imports()} - set(sys.stdlib_module_names)


def _modules():
    for source in sorted(ROOT.glob("*/src/*")) + sorted(ROOT.glob("*/*/src/*")):
        for path in sorted(source.rglob("*.py")):
            relative = path.relative_to(source.parent).with_suffix("")
            parts = [p for p in relative.parts if p != "__init__"]
            text = path.read_text(encoding="utf-8")
            yield Module(source.name, ".".join(parts), path, ast.parse(text), text.count("\n"))


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def modules():
    return tuple(_modules())


@pytest.fixture(scope="session")
def tracked_files():
    """Every file that is, or would be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
