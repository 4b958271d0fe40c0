from lifecycle.model_states import ModelState, VersionState
from lifecycle.rollouts import Colour, Phase, Rollout
from lifecycle.stages import Stage
from lifecycle.subjects import subjects_of

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def a_version(digest=NEW, stage=Stage.SHADOW, **lineage):
    return VersionState(1, digest, stage, 0.0, lineage, {})


def a_state(*versions, rollout=None):
    return ModelState("sentiment", 9, "sha256:policy", versions, rollout)


def a_rollout(phase):
    return Rollout("r1", NEW, Colour.GREEN, OLD, phase, -1, None, 0.0, 0.0)


def test_what_the_lineage_does_not_name_is_none():
    version = a_version(test_set_digest="sha256:tests")
    subjects = subjects_of(a_state(version), version)

    assert subjects.dataset == "sha256:tests"
    assert (subjects.prompt, subjects.image, subjects.baseline) == ("none", "none", "none")


def test_the_baseline_is_the_version_in_production():
    version = a_version()
    state = a_state(a_version(OLD, Stage.PRODUCTION), version)

    assert subjects_of(state, version).baseline == OLD


def test_a_candidate_that_bakes_is_still_compared_with_its_rollouts_baseline():
    baking = a_version(stage=Stage.PRODUCTION)
    state = a_state(a_version(OLD, Stage.ARCHIVED), baking, rollout=a_rollout(Phase.BAKING))

    assert subjects_of(state, baking).baseline == OLD


def test_an_ended_rollout_names_no_baseline_any_more():
    offered_again = a_version(stage=Stage.STAGING)
    state = a_state(
        a_version("sha256:newest", Stage.PRODUCTION),
        offered_again,
        rollout=a_rollout(Phase.ABORTED),
    )

    assert subjects_of(state, offered_again).baseline == "sha256:newest"
