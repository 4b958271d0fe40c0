"""A model's CI: the order of its steps, what stops it, and what is packed."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
import yaml

from isogloss.ci import Pipeline, Step, run_steps
from isogloss.connections import connect
from isogloss.failures import Refused, Unreachable
from isogloss.homes import Home
from isogloss.pack import pack_artifact
from isogloss.train import TrainingRequest

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"


@pytest.fixture
def artifact(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "weights").write_bytes(b"weights")
    digest = "sha256:" + hashlib.sha256(b"weights").hexdigest()
    (directory / "manifest.json").write_text(json.dumps({"files": {"weights": digest}}))
    return directory


def digest_of(artifact):
    return "sha256:" + hashlib.sha256((artifact / "manifest.json").read_bytes()).hexdigest()


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
    digest = digest_of(artifact)
    first, again = (pack_artifact(artifact, tmp_path / n, digest) for n in ("a.tar", "b.tar"))

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
        pack_artifact(artifact, tmp_path / "a.tar", digest_of(artifact))
    assert not (tmp_path / "a.tar").exists()


def test_another_artifact_than_the_one_that_was_judged_is_not_packed(artifact, tmp_path):
    with pytest.raises(Refused, match="which was judged"):
        pack_artifact(artifact, tmp_path / "a.tar", "sha256:" + "0" * 64)


class FakeTarget:
    """Implements what a Pipeline asks of `targets.Target`; `verdict` is what every job finds."""

    def __init__(self, verdict, digest):
        self.verdict = verdict
        self.digest = digest
        self.asked = []

    def run_job(self, arguments, _tell, *, may_fail=False):
        self.asked.append(arguments)
        assert may_fail
        run = {"run_id": "r1", "artifact_path": "model", "digest": self.digest}
        return {**run, "outcome": self.verdict, "verdict": {"outcome": self.verdict}}


@pytest.fixture
def pipeline(artifact, tmp_path):
    """The CI of the example, on a platform where its project lies elsewhere."""

    def make(verdict="PASS"):
        request = TrainingRequest(Path("/workspace"), "tfidf_linear", rows=100)
        target = FakeTarget(verdict, digest_of(artifact))
        told = []
        made = Pipeline(Home(tmp_path / "state"), target, EXAMPLE, request, told.append)
        return made, target, told

    return make


def test_data_and_model_are_judged_where_the_platform_has_the_project(pipeline):
    made, target, _ = pipeline()
    made.schema()
    made.gate()

    train = ["train", "/workspace", "--family", "tfidf_linear", "--rows", "100", "--judge"]
    assert target.asked == [["check-data", "/workspace", "--frozen"], train]


def test_what_the_gates_refuse_is_neither_packed_nor_pushed(pipeline):
    made, _, _ = pipeline("FAIL")

    with pytest.raises(Refused, match="the offline Gates answer FAIL"):
        made.gate()
    with pytest.raises(Refused, match="isogloss ci gate trains a version"):
        made.pack(None)


def test_what_passed_is_fetched_from_its_run_and_packed(pipeline, server, served_home, artifact):
    made, _, told = pipeline()
    made.gate()
    files = [{"path": f"model/{path.name}", "is_dir": False} for path in artifact.iterdir()]
    mlflow, root = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/model"
    server.answers["GET", f"{mlflow}/artifacts/list?run_id=r1&path=model"] = (
        *(200, {}, {"files": files}),
    )
    run = {"info": {"artifact_uri": "mlflow-artifacts:/1/r1/artifacts"}}
    server.answers["GET", f"{mlflow}/runs/get?run_id=r1"] = (200, {}, {"run": run})
    for path in artifact.iterdir():
        server.answers["GET", f"{root}/{path.name}"] = (200, {}, path.read_bytes())

    with connect(served_home) as connections:
        made.pack(connections)

    packed = next((made.kept).glob("*.tar"))
    assert str(packed) in told[-1]
    with tarfile.open(packed) as archive:
        assert archive.getnames() == ["manifest.json", "weights"]


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
