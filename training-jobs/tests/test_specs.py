"""What dataset.yaml and train.yaml may say; each wrong field is refused by its path."""

import json
import subprocess

import pytest
import yaml

from lifecycle.commits import read_commit
from lifecycle.documents import DocumentRefused
from training_jobs.adapters.commits import commit_of
from training_jobs.dataset.specs import load_spec
from training_jobs.names import is_model_name, run_name
from training_jobs.plans import load_plan
from training_jobs.refusals import JobRefused


@pytest.mark.parametrize(
    ("path", "values", "reason"),
    [
        ((), {"version": "1.0"}, r"dataset\.version is '1\.0'; it must be a semantic version"),
        ((), {"name": "My Data"}, r"dataset\.name is 'My Data'"),
        ((), {"task": "translation"}, r"dataset\.task is 'translation'"),
        ((), {"labels": {"0": "only"}}, "fewer than two labels"),
        ((), {"schema": {"text": "string"}}, r"dataset\.schema must be"),
        ((), {"min_rows": 10}, "unknown field 'min_rows'"),
        (("quality",), {"max_null_text_pct": 101}, r"quality\.max_null_text_pct is 101"),
        (("split",), {"test_share": 1.5}, r"split\.test_share is 1\.5"),
        (("split",), {"digest": "sha256:short"}, r"split\.digest is 'sha256:short'"),
        (("slices",), {"domain": "author"}, r"slices\.domain is 'author'"),
        (("sources", 0), {"kind": "database"}, r"sources\[0\]\.kind is 'database'"),
        (("sets", 0), {"name": "other"}, "no set named main"),
        (("sets", 1), {"name": "train"}, "has a meaning here"),
        (("sets", 1), {"sources": ["nowhere"]}, "known: films, books"),
        (("sets", 0), {"labelled": False}, "main must be labelled"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_dataset_file_is_refused_by_its_field(
    project, change_dataset, path, values, reason
):
    change_dataset(*path, **values)

    with pytest.raises(DocumentRefused, match=reason):
        load_spec(project)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("requirement", "reviews", "it must be name==version"),
        ("requirement", "reviews==1.0 --extra-index-url x", "it must be name==version"),
        ("sha256", "abc", "it must be 64 hex digits"),
        ("form", "egg", "one of sdist, wheel"),
    ],
)
def test_a_package_is_named_exactly_or_refused(project, change_dataset, field, value, reason):
    package = {
        "name": "films",
        "kind": "package",
        "requirement": "reviews==1.0",
        "sha256": "0" * 64,
        "member": ["reviews.csv"],
    }
    change_dataset("sources", 0, **package)
    document = yaml.safe_load((project / "dataset.yaml").read_text())
    document["sources"][0] = {**package, field: value}
    (project / "dataset.yaml").write_text(yaml.safe_dump(document))

    with pytest.raises(DocumentRefused, match=reason):
        load_spec(project)


@pytest.mark.parametrize("name", ["dataset.yaml", "train.yaml"])
@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot be read"), (b"a: [", "is not YAML")]
)
def test_a_file_that_is_missing_or_no_yaml_is_refused(project, name, content, reason):
    (project / name).unlink()
    if content is not None:
        (project / name).write_bytes(content)
    load = load_spec if name == "dataset.yaml" else load_plan

    with pytest.raises(DocumentRefused, match=reason):
        load(project)


def test_a_model_name_that_cannot_be_a_host_name_is_refused(project):
    plan = yaml.safe_load((project / "train.yaml").read_text())
    (project / "train.yaml").write_text(yaml.safe_dump({**plan, "model": "My_Model"}))

    with pytest.raises(DocumentRefused, match="a model's name is"):
        load_plan(project)


@pytest.mark.parametrize(
    ("name", "fits"),
    [("sentiment", True), ("a", True), ("x" * 63, True), ("x" * 64, False), ("1st", False)],
)
def test_model_names_keep_to_the_convention(name, fits):
    assert is_model_name(name) is fits


def test_a_runs_name_says_model_family_data_commit_and_time():
    name = run_name("sentiment", "tfidf_linear", "1.2.0", "0123456789abcdef", 1_700_000_000.0)

    assert name == "sentiment-tfidf_linear-1.2.0-0123456-20231114T221320Z"


def test_a_project_outside_of_git_needs_its_commit_named(tmp_path):
    with pytest.raises(JobRefused, match="ISOGLOSS_TRAINING_JOBS_COMMIT"):
        commit_of(tmp_path, None)

    assert commit_of(tmp_path, "f" * 40).id == "f" * 40


def git(folder, *arguments):
    command = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("prompts", [True, False])
def test_a_commit_proves_what_the_project_has_in_it(tmp_path, prompts):
    project = tmp_path / "examples" / "films"
    (project / "prompts").mkdir(parents=True)
    (project / "train.yaml").write_text("kind: TrainingPlan")
    if prompts:
        (project / "prompts" / "ask_v1.0.0.txt").write_text("?")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")

    commit = commit_of(project, None)

    proof = read_commit(json.loads(commit.proof), commit.id)
    assert proof.folder == "examples/films"
    assert proof.holds("train.yaml", b"kind: TrainingPlan")
    assert proof.holds_in("prompts", b"?") is prompts
    assert not commit.changed
    (project / "train.yaml").write_text("kind: Other")
    assert commit_of(project, None).changed
