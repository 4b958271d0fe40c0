"""What Evidence about a version must have been measured with, said once for all services.

Producers put these Subjects into the statement; the ledger demands the same ones.
"""

from lifecycle.digests import NO_CONTENT
from lifecycle.evidence import Subjects
from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import ACTIVE_PHASES
from lifecycle.stages import Stage


def subjects_of(state: ModelState, version: VersionState) -> Subjects:
    """Return the digests that Evidence about `version` counts with today (`none` where there
    is nothing): its pinned test set, prompt and image, the policy, and its Baseline.
    """
    lineage = version.lineage
    return Subjects(
        model=version.digest,
        baseline=baseline_of(state, version) or NO_CONTENT,
        dataset=lineage.get("test_set_digest", NO_CONTENT),
        prompt=lineage.get("prompt_digest", NO_CONTENT),
        policy=state.policy or NO_CONTENT,
        image=lineage.get("image", NO_CONTENT),
    )


def baseline_of(state: ModelState, version: VersionState) -> str | None:
    """Return the digest that `version` is compared with: its Rollout's Baseline while one is
    under way (which a Candidate that is baking has already replaced), else PRODUCTION.
    """
    rollout = state.rollout
    if rollout and rollout.candidate == version.digest and rollout.phase in ACTIVE_PHASES:
        return rollout.baseline
    production = state.holding(Stage.PRODUCTION)
    return production.digest if production else None
