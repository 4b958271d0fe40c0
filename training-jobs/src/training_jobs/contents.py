"""One version, one content: what a project's data set and prompts were when they got their version.

`contents.lock.json` lies in the project and is committed with it, so that a checkout anywhere
refuses other rows, or another prompt, under a version that was used before. The registry-proxy
refuses the same for whoever has no such file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lifecycle.documents import DocumentRefused, Fields
from lifecycle.prompts import FOLDER, Prompt, read_prompt, split_prompt
from training_jobs.dataset.quality import CheckResult, judge
from training_jobs.refusals import JobRefused

CONTENTS_NAME = "contents.lock.json"


@dataclass(frozen=True)
class Content:
    """One version of a data set or a prompt, and the digest of all that is in it."""

    kind: str
    name: str
    version: str
    digest: str

    @property
    def key(self) -> str:
        """Its name in the lock."""
        return f"{self.kind} {self.name} {self.version}"


def load_prompts(project: Path) -> list[Prompt]:
    """Load every `prompts/*.txt` of a project; DocumentRefused says what is wrong with one."""
    return [_load_prompt(path) for path in sorted((project / FOLDER).glob("*.txt"))]


def load_prompt(project: Path, name: str) -> Prompt:
    """Load the prompt file of that name; JobRefused when the project has none."""
    path = project / FOLDER / name
    if path.parent != project / FOLDER or not path.is_file():
        raise JobRefused(f"{project} has no {FOLDER}/{name}; train.yaml names it")
    return _load_prompt(path)


def contents_of(dataset: Content, prompts: list[Prompt]) -> list[Content]:
    """Return everything of a project that has a version."""
    held = [Content("prompt", each.name, each.version, each.digest) for each in prompts]
    return [dataset, *held]


def check_contents(project: Path, contents: list[Content], *, frozen: bool) -> list[CheckResult]:
    """Compare with the project's lock. What is new is written into it, or, when `frozen`, FAILs:
    in CI nothing is new that was not committed.
    """
    known = read_contents(project)
    results = list(_compare(known, contents, frozen=frozen))
    added = {each.key: each.digest for each in contents if each.key not in known}
    if added and not frozen:
        _write_contents(project, {**known, **added})
    return results


def read_contents(project: Path) -> Mapping[str, str]:
    """Return the digests that the project's versions were used with; empty without a lock."""
    path = project / CONTENTS_NAME
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DocumentRefused(
            f"{path} is not JSON: {error}; take it from version control"
        ) from error
    fields = Fields({"contents": document}, str(path))
    return fields.pairs("contents")


def _write_contents(project: Path, contents: Mapping[str, str]) -> None:
    path = project / CONTENTS_NAME
    try:
        path.write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise JobRefused(
            f"{path} cannot be written ({error.strerror}): this project has contents that its lock "
            "does not name yet; run check-data where it can be written, and commit the lock"
        ) from error


def _compare(
    known: Mapping[str, str], contents: list[Content], *, frozen: bool
) -> Iterator[CheckResult]:
    for each in contents:
        held = known.get(each.key)
        name = f"content of {each.key}"
        if held is None and frozen:
            text = f"it is not in {CONTENTS_NAME}; run isogloss data check and commit that file"
            yield judge(name, text, kept=False)
        elif held is None:
            yield judge(name, f"new, written to {CONTENTS_NAME}: {each.digest}", kept=True)
        elif held != each.digest:
            text = f"it was {held}, now it is {each.digest}; other content needs another version"
            yield judge(name, text, kept=False)
        else:
            yield judge(name, "as it was when it got this version", kept=True)


def _load_prompt(path: Path) -> Prompt:
    name, content = f"{FOLDER}/{path.name}", path.read_bytes()
    header, body = split_prompt(content, name)
    try:
        parsed = yaml.safe_load(header)
    except yaml.YAMLError as error:
        raise DocumentRefused(f"the header of {name} is not YAML: {error}") from error
    return read_prompt(parsed, body, content, name)
