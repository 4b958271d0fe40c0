"""The commit that a version comes from: proven by git's own objects, where its run keeps them.

An id is checked against the objects, and the project's files that the run keeps against the
commit. Files may differ, as a run of uncommitted work is one, too; the version says which.
"""

import json
from collections.abc import Iterator, Mapping

from lifecycle.commits import FILE_NAME, MOST_BYTES, KeptCommit, read_commit
from lifecycle.datasets import SPEC_NAME
from lifecycle.digests import NO_CONTENT
from lifecycle.documents import DocumentRefused
from lifecycle.prompts import FILE_NAME as PROMPT_NAME
from lifecycle.prompts import FOLDER as PROMPTS_FOLDER
from lifecycle.training import PLAN_NAME
from registry_proxy.artifacts.manifests import ArtifactRefused
from registry_proxy.artifacts.origins import Origin, RunFiles, seal_origin
from registry_proxy.artifacts.ports import Intake


def take_commit(kept: RunFiles, stated: Mapping[str, str], intake: Intake) -> Origin | None:
    """Take the proof of a run's commit in, None where it keeps none (it ran outside of a
    repository); raises ArtifactRefused unless it proves the commit that the lineage names.
    """
    content = kept.optional(FILE_NAME, MOST_BYTES)
    if content is None:
        return None
    try:
        commit = read_commit(json.loads(content), stated["commit"])
    except (ValueError, RecursionError, DocumentRefused) as error:
        raise ArtifactRefused(f"{FILE_NAME} of the run proves nothing: {error}") from error
    plan = kept.small(PLAN_NAME)
    files = {
        FILE_NAME: intake.write(FILE_NAME, [content]),
        PLAN_NAME: intake.write(PLAN_NAME, [plan]),
    }
    prompted = stated["prompt_version"] != NO_CONTENT
    differing = [PLAN_NAME] if not commit.holds(PLAN_NAME, plan) else []
    differing += _others(kept, commit, prompted=prompted)
    told = {"id": commit.id, "folder": commit.folder, "differing": differing}
    return seal_origin(intake, "commit", files, told, {})


def _others(kept: RunFiles, commit: KeptCommit, *, prompted: bool) -> Iterator[str]:
    """Yield the other files of the run's that are not the commit's."""
    if not commit.holds(SPEC_NAME, kept.small(SPEC_NAME)):
        yield SPEC_NAME
    if prompted and not commit.holds_in(PROMPTS_FOLDER, kept.small(PROMPT_NAME)):
        yield PROMPT_NAME
