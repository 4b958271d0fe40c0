"""Which commit a project stands at, asked of git."""

import subprocess
from pathlib import Path

from training_jobs.ports import Commit
from training_jobs.refusals import JobRefused


def commit_of(project: Path, given: str | None) -> Commit:
    """Return the commit `given` (as in an image, which holds no repository), else git's."""
    if given is not None:
        return Commit(given, changed=False)
    head = _git(project, "rev-parse", "HEAD")
    return Commit(head, changed=bool(_git(project, "status", "--porcelain")))


def _git(project: Path, *arguments: str) -> str:
    command = ["git", "-C", str(project), *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise JobRefused(
            f"git cannot say at which commit {project} stands, and no run goes without one; "
            "commit the project, or set ISOGLOSS_TRAINING_JOBS_COMMIT"
        ) from error
    return ended.stdout.strip()
