"""Which commit a project stands at, asked of git, with the objects that prove it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lifecycle.commits import MOST_BYTES, render_commit
from lifecycle.prompts import FOLDER as PROMPTS_FOLDER
from training_jobs.ports import Commit
from training_jobs.refusals import JobRefused


def commit_of(project: Path, given: str | None) -> Commit:
    """Return the commit `given` (as in an image, which holds no repository), else git's."""
    if given is not None:
        return Commit(given, changed=False)
    head = _said(project, "rev-parse", "HEAD")
    changed = bool(_said(project, "status", "--porcelain"))
    return Commit(head, changed, _proof(project, head))


def _proof(project: Path, head: str) -> bytes | None:
    """Return the commit and the trees down to the project's files; None where they are too large
    to be handed in.
    """
    folder = PurePosixPath(_said(project, "rev-parse", "--show-prefix") or ".")
    objects = [("commit", _git(project, "cat-file", "commit", head))]
    objects += [("tree", tree) for tree in _trees(project, head, folder)]
    proof = render_commit(str(folder), objects)
    return proof if len(proof) <= MOST_BYTES else None


def _trees(project: Path, head: str, folder: PurePosixPath) -> Iterator[bytes]:
    """Yield the trees from the root to the project, and that of its prompts; those that the
    commit does not have are left out.
    """
    down = [*reversed(folder.parents), folder, folder / PROMPTS_FOLDER]
    for path in dict.fromkeys("" if place == PurePosixPath() else str(place) for place in down):
        if not path or _said(project, "ls-tree", "-d", "--full-tree", head, path):
            yield _git(project, "cat-file", "tree", f"{head}:{path}")


def _said(project: Path, *arguments: str) -> str:
    return _git(project, *arguments).decode(errors="replace").strip()


def _git(project: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(project), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise JobRefused(
            f"git cannot say at which commit {project} stands, and no run goes without one; "
            "commit the project, or set ISOGLOSS_TRAINING_JOBS_COMMIT"
        ) from error
