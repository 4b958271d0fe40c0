"""A model's CI: the order of its steps, what stops it, and what is packed."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from isogloss.ci import Step, run_steps
from isogloss.failures import Refused, Unreachable
from isogloss.pack import pack_artifact

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"


@pytest.fixture
def artifact(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "weights").write_bytes(b"weights")
    digest = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    (directory / "manifest.json").write_text(json.dumps({"files": {"weights": digest}}))
    return directory


def test_steps_run_in_order_until_one_fails():
    ran, told = [], []

    def fail():
        raise Unreachable("nobody answers")

    steps = [Step("lint", lambda: ran.append("lint")), Step("schema", fail), Step("push", fail)]
    with pytest.raises(Unreachable):
        run_steps(steps, told.append)

    assert ran == ["lint"]
    assert told == ["1/3 lint", "2/3 schema", "ci stopped at schema; not run: push"]


def test_an_artifact_is_packed_to_the_same_bytes_every_time(artifact, tmp_path):
    first, again = (pack_artifact(artifact, tmp_path / name) for name in ("a.tar", "b.tar"))

    assert first == again
    with tarfile.open(tmp_path / "a.tar") as archive:
        assert archive.getnames() == ["manifest.json", "weights"]


@pytest.mark.parametrize("change", ["changed", "added", "missing"])
def test_what_the_manifest_does_not_name_is_not_packed(artifact, tmp_path, change):
    match change:
        case "changed":
            (artifact / "weights").write_bytes(b"other")
        case "added":
            (artifact / "extra").write_bytes(b"")
        case "missing":
            (artifact / "weights").unlink()

    with pytest.raises(Refused, match="train it anew"):
        pack_artifact(artifact, tmp_path / "a.tar")
    assert not (tmp_path / "a.tar").exists()


def test_the_examples_files_are_read_as_the_platform_reads_them(run, home):
    code, _, err = run("--home", home.root, "ci", "lint", EXAMPLE)

    assert code == 0, err


def test_a_project_without_tests_is_refused(run, home, tmp_path):
    code, _, err = run("--home", home.root, "ci", "test", tmp_path)

    assert code == 1
    assert "has no tests/" in err


def test_push_before_gate_says_what_comes_first(run, served_home):
    code, _, err = run("--home", served_home.root, "ci", "push", EXAMPLE)

    assert code == 1
    assert "isogloss ci gate trains a version" in err


def test_the_examples_workflow_calls_the_command():
    workflow = yaml.safe_load((EXAMPLE / ".github/workflows/model.yaml").read_text())
    (job,) = workflow["jobs"].values()

    commands = [step.get("run", "") for step in job["steps"]]
    assert any("isogloss ci run" in command for command in commands)
