"""Dockerfiles as lists of instructions, and who must have one."""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOYABLES = sorted(p.parent.relative_to(ROOT) for p in ROOT.glob("services/*/pyproject.toml"))
DEPLOYABLES += [Path("training-jobs"), Path("cli")]


@dataclass(frozen=True)
class Dockerfile:
    folder: Path

    @cached_property
    def instructions(self):
        """Pairs (KEYWORD, rest), each in one line."""
        text = (ROOT / self.folder / "Dockerfile").read_text(encoding="utf-8")
        lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
        return [tuple(re.split(r"\s+", line.strip(), maxsplit=1)) for line in lines if line.strip()]

    @cached_property
    def stages(self):
        """Instructions of each stage by its name; the last one is called `final`."""
        stages, name = {}, "before"
        for keyword, rest in self.instructions:
            if keyword == "FROM":
                _, _, given = rest.partition(" AS ")
                name = given or "final"
            stages.setdefault(name, []).append((keyword, rest))
        return stages

    @property
    def images(self):
        """The stages that become images."""
        return {name for name in self.stages if name in {"sklearn", "final"}}

    def all_of(self, stage):
        """Instructions of a stage after those of the stage that it starts from."""
        own = self.stages[stage]
        parent = own[0][1].split(" ")[0]
        return (self.all_of(parent) if parent in self.stages else []) + own

    @cached_property
    def project(self):
        path = ROOT / self.folder / "pyproject.toml"
        return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


@pytest.fixture(params=DEPLOYABLES, ids=str)
def dockerfile(request):
    """The Dockerfile of a deployable."""
    return Dockerfile(request.param)


@pytest.fixture(params=[*DEPLOYABLES, Path("examples/sentiment")], ids=str)
def any_dockerfile(request):
    """Each Dockerfile, the example's too."""
    return Dockerfile(request.param)


@pytest.fixture
def root():
    return ROOT
