import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from textmodels.artifacts import (
    ArtifactError,
    Manifest,
    load_artifact,
    read_manifest,
    save_artifact,
    verify_files,
)
from textmodels.manifests import sha256_digest
from textmodels.reference import Reference, build_reference
from textmodels.verification import HOSTILE_TEXTS

LINEAGE = {"dataset": "sha256:" + "0" * 64, "commit": "abc", "prompt": "none"}


@pytest.fixture
def artifact(fitted, tmp_path):
    save_artifact(tmp_path / "artifact", fitted, LINEAGE)
    return tmp_path / "artifact"


def rewrite_manifest(artifact, **changes):
    manifest = read_manifest(artifact)
    changed = Manifest(**{**vars(manifest), **changes})
    (artifact / "manifest.json").write_bytes(changed.to_bytes())


def a_file_of(artifact):
    """Name a file that the family needs and that holds words in JSON."""
    (name,) = {"vocabulary.json", "tokenizer.json"} & set(read_manifest(artifact).files)
    return name


def test_a_loaded_model_answers_exactly_as_the_fitted_one(artifact, fitted, unseen):
    texts = [*unseen[0], *HOSTILE_TEXTS]
    manifest, predictor = load_artifact(artifact)
    assert predictor.labels == manifest.labels == fitted.labels
    assert predictor.family == manifest.family == fitted.family
    expected = vars(fitted.predictor.predict(texts))
    for column, values in vars(predictor.predict(texts)).items():
        assert np.array_equal(values, expected[column]), column


def test_the_same_model_saved_again_has_the_same_digest(artifact, fitted, tmp_path):
    again = save_artifact(tmp_path / "again", fitted, LINEAGE)
    assert again.digest == read_manifest(artifact).digest
    assert again.digest == sha256_digest((artifact / "manifest.json").read_bytes())
    assert save_artifact(tmp_path / "third", fitted, {"commit": "def"}).digest != again.digest


def test_a_loaded_model_can_be_saved_again_as_it_was(artifact, fitted, tmp_path):
    _, predictor = load_artifact(artifact)
    resaved = type(fitted)(**{**vars(fitted), "predictor": predictor})
    again = save_artifact(tmp_path / "again", resaved, LINEAGE)
    name = a_file_of(artifact)
    assert again.files[name] == read_manifest(artifact).files[name]
    assert load_artifact(tmp_path / "again", again.digest)


def test_the_reference_lies_in_the_artifact(fitted, unseen, tmp_path):
    reference = build_reference(fitted.predictor, *unseen)
    manifest = save_artifact(tmp_path / "artifact", fitted, LINEAGE, reference)
    assert "reference.safetensors" in manifest.files
    load_artifact(tmp_path / "artifact", manifest.digest)
    found = Reference.load(tmp_path / "artifact" / "reference.safetensors")
    assert np.array_equal(found.scores, reference.scores)


def test_another_digest_than_the_wanted_is_refused(artifact):
    with pytest.raises(ArtifactError, match="not the wanted sha256:00: fetch it again"):
        load_artifact(artifact, "sha256:00")


def test_an_altered_file_is_refused_by_name(artifact):
    for path in sorted(artifact.iterdir()):
        if path.name == "manifest.json":
            continue
        intact = path.read_bytes()
        path.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
        with pytest.raises(ArtifactError, match=f"{path.name}: its sha256 is not the one"):
            load_artifact(artifact)
        path.write_bytes(intact)
    verify_files(artifact, read_manifest(artifact))


def test_a_missing_file_is_refused_by_name(artifact):
    for path in sorted(artifact.iterdir()):
        intact = path.read_bytes()
        path.unlink()
        with pytest.raises(ArtifactError, match=f"{path.name}: missing from"):
            load_artifact(artifact)
        path.write_bytes(intact)


def test_an_extra_file_is_refused_by_name(artifact):
    (artifact / "notes.txt").write_text("hello")
    with pytest.raises(ArtifactError, match=r"notes.txt: in .* but not in its manifest"):
        load_artifact(artifact)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.h5", "model.py"])
def test_a_format_off_the_list_is_refused_even_when_the_manifest_names_it(name, artifact):
    raw = pickle.dumps({"never": "loaded"})
    (artifact / name).write_bytes(raw)
    rewrite_manifest(artifact, files={**read_manifest(artifact).files, name: sha256_digest(raw)})
    with pytest.raises(ArtifactError, match=f"{name}: not a file a .* artifact may hold"):
        load_artifact(artifact)


def drop_compiled_form(artifact):
    """What is compiled is read instead of what it was compiled from."""
    files = dict(read_manifest(artifact).files)
    if files.pop("scorer.safetensors", None):
        (artifact / "scorer.safetensors").unlink()
    rewrite_manifest(artifact, files=files)


def test_a_model_without_its_compiled_form_answers_alike(artifact, fitted, unseen):
    drop_compiled_form(artifact)
    found = load_artifact(artifact)[1].predict(unseen[0])
    expected = fitted.predictor.predict(unseen[0])
    assert np.allclose(found.scores, expected.scores, rtol=0, atol=1e-6)
    assert np.array_equal(found.label_indices, expected.label_indices)
    assert np.array_equal(found.projection, expected.projection)


def test_a_pickle_under_an_allowed_name_is_refused(artifact):
    raw = pickle.dumps({"never": "loaded"})
    drop_compiled_form(artifact)
    manifest = read_manifest(artifact)
    for name in manifest.files:
        intact = (artifact / name).read_bytes()
        (artifact / name).write_bytes(raw)
        rewrite_manifest(artifact, files={**manifest.files, name: sha256_digest(raw)})
        with pytest.raises(ArtifactError, match=f"{name}: "):
            load_artifact(artifact)
        (artifact / name).write_bytes(intact)


def test_a_manifest_without_a_file_the_family_needs_is_refused(artifact):
    name = a_file_of(artifact)
    files = dict(read_manifest(artifact).files)
    del files[name]
    (artifact / name).unlink()
    rewrite_manifest(artifact, files=files)
    with pytest.raises(ArtifactError, match=rf"{name}: a .* artifact must have it"):
        load_artifact(artifact)


def test_a_link_a_folder_and_a_pipe_are_refused_by_name(artifact, tmp_path):
    name = a_file_of(artifact)
    path = artifact / name
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ArtifactError, match=rf"{name}: cannot be read as a plain file"):
        load_artifact(artifact)
    path.unlink()
    path.mkdir()
    with pytest.raises(ArtifactError, match=rf"{name}: not a plain file"):
        load_artifact(artifact)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(ArtifactError, match=rf"{name}: not a plain file"):
        load_artifact(artifact)


def test_a_link_to_the_manifest_is_refused(artifact, tmp_path):
    (artifact / "manifest.json").rename(tmp_path / "elsewhere.json")
    (artifact / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ArtifactError, match=r"manifest.json: cannot be read as a plain file"):
        load_artifact(artifact)


def test_a_directory_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest.json: missing from"):
        load_artifact(tmp_path / "nowhere")


def test_an_unknown_family_is_refused(artifact):
    rewrite_manifest(artifact, family="gradient_boosting")
    with pytest.raises(ArtifactError, match="family 'gradient_boosting' is not one of"):
        load_artifact(artifact)


def test_a_taken_directory_is_not_written_over(artifact, fitted):
    with pytest.raises(ArtifactError, match="already holds files: save to a new directory"):
        save_artifact(artifact, fitted, LINEAGE)
    load_artifact(artifact)


def test_an_empty_directory_may_become_the_artifact(fitted, tmp_path):
    (tmp_path / "made").mkdir()
    save_artifact(tmp_path / "made", fitted, LINEAGE)
    load_artifact(tmp_path / "made")


def test_lineage_must_be_texts(fitted, tmp_path):
    with pytest.raises(ArtifactError, match="lineage must be an object of texts"):
        save_artifact(tmp_path / "artifact", fitted, {"run": 3})
    assert list(tmp_path.iterdir()) == []


# Kills a forked copy of itself at the n-th touch of the file system, for every n.
KILLED_SAVES = """
import os, sys
from pathlib import Path
import numpy as np
from textmodels.artifacts import ArtifactError, load_artifact, save_artifact
from textmodels.families import Fitted
from textmodels.families.keras_embedding.predictor import EmbeddingPredictor, Network

network = Network(np.eye(4, 2, dtype="f"), np.ones((2, 1), "f"), np.zeros(1, "f"))
predictor = EmbeddingPredictor(network, {"bad": 0, "good": 1}, 3, ("a", "b"), 1)
fitted = Fitted(predictor.family, predictor.labels, predictor, {}, [], {}, 1)
target = Path(sys.argv[1])

def save_and_die_at(step):
    seen = 0
    def count(event, arguments):
        nonlocal seen
        if event in ("open", "os.mkdir", "os.rename", "os.rmdir", "os.remove"):
            seen += 1
            if seen == step:
                os._exit(9)
    sys.addaudithook(count)
    save_artifact(target, fitted, {})
    os._exit(0)

step = 0
while True:
    step += 1
    child = os.fork()
    if child == 0:
        save_and_die_at(step)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        load_artifact(target)
        print("whole", code)
        break
    except ArtifactError as error:
        assert not target.exists(), error
        print("none", code)
"""


def test_a_save_killed_at_any_point_leaves_the_whole_artifact_or_none(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_SAVES, tmp_path / "killed"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *killed, last = done.stdout.splitlines()
    assert killed == ["none 9"] * len(killed)
    assert len(killed) > 6, "at the folder, its four files and the rename at least"
    assert last.startswith("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["killed"]


def test_serving_imports_no_engine(artifact):
    script = (
        "import sys; from pathlib import Path; from textmodels.artifacts import load_artifact; "
        "load_artifact(Path(sys.argv[1]))[1].predict(['a fine film', '']); "
        "engines = {'tensorflow', 'keras', 'sklearn', 'skops', 'scipy'}; "
        "print(sorted(engines & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, artifact],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
