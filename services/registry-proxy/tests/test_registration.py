import time
from typing import ClassVar

import pytest

from registry_proxy.artifacts.ports import RunsUnavailable


def kept(world):
    """Names of what the store holds: versions' artifacts (not what these were made from), and
    intakes that were left behind.
    """
    root = world.folder / "registry" / "artifacts"
    there = {path.name for path in (root / "sha256").iterdir()}
    origins = [v["metadata"]["made_from"]["dataset"] for v in world.state["versions"]]
    return sorted(there - {each.removeprefix("sha256:") for each in origins}), list(
        (root / "incoming").iterdir()
    )


def register(world, run_id="r1", path="model"):
    return world.post("/versions", {"run_id": run_id, "artifact_path": path}, "trainer")


def test_a_runs_artifact_becomes_a_version(world, make):
    world.runs.add(make.a_run(), "model", make.an_artifact())

    answer = register(world)

    assert answer.status_code == 201
    version = answer.json()["version"]
    assert (version["number"], version["stage"]) == (1, "REGISTERED")
    assert version["lineage"]["test_set_digest"] == make.TESTS_DIGEST
    assert version["metadata"]["metrics"] == {"f1_macro": 0.9}
    assert version["metadata"]["labels"] == make.LABELS
    assert version["metadata"]["language"] == "en"
    assert version["metadata"]["tags"]["team"] == "reviews"
    assert "mlflow.user" not in version["metadata"]["tags"]
    assert kept(world) == ([version["digest"].removeprefix("sha256:")], [])


def test_the_same_artifact_twice_is_the_same_version(world, make):
    world.runs.add(make.a_run(), "model", make.an_artifact())
    first = register(world).json()

    again = register(world)

    assert again.status_code == 200
    assert again.json() == first


def test_versions_are_numbered_in_order(world):
    world.register("r1")
    world.register("r2")

    assert [v["number"] for v in world.state["versions"]] == [1, 2]


def changed(make, **files):
    artifact = {**make.an_artifact(), **files}
    return {name: content for name, content in artifact.items() if content is not None}


def pickled(make):
    files = {"model.pkl": b"\x80\x04."}
    return {**files, "manifest.json": make.a_manifest("r1", files)}


def outside(make):
    names = {"../model.skops": b"weights"}
    return {"manifest.json": make.a_manifest("r1", names), "model.skops": b"weights"}


REFUSED = {
    "changed file": (
        lambda m: changed(m, **{"model.skops": b"other"}),
        "model.skops does not have",
    ),
    "extra file": (lambda m: changed(m, **{"notes.json": b"{}"}), "notes.json is not named"),
    "extra file below": (lambda m: changed(m, **{"sub/a.json": b"{}"}), "sub/a.json is not named"),
    "missing file": (lambda m: changed(m, **{"model.skops": None}), "model.skops is named in"),
    "pickle": (pickled, "model.pkl is of a format that is not admitted"),
    "path outside": (outside, "'../model.skops', which is no plain file name"),
    "no JSON": (lambda m: changed(m, **{"manifest.json": b"{"}), "manifest.json is not JSON"),
    "deep JSON": (lambda m: changed(m, **{"manifest.json": b"[" * 9000}), "is not JSON"),
    "a list": (lambda m: changed(m, **{"manifest.json": b"[]"}), "a mapping is needed"),
    "not canonical": (
        lambda m: changed(m, **{"manifest.json": m.an_artifact()["manifest.json"] + b"\n"}),
        "not canonical JSON",
    ),
    "another format": (lambda m: m.an_artifact(format="v0"), "manifest.format is 'v0'"),
    "a format of two": (lambda m: m.an_artifact(format=["v0"]), "manifest.format is"),
    "unknown field": (lambda m: m.an_artifact(extra=1), "unknown field 'extra'"),
    "another run": (lambda m: m.an_artifact("r2"), "is of run r2, not of run r1"),
    "no lineage": (lambda m: m.an_artifact(lineage={}), "lineage.dataset_version is missing"),
    "another commit": (
        lambda m: m.an_artifact(lineage={**m.LINEAGE, "run_id": "r1", "commit": "fff"}),
        "manifest.lineage.commit is fff, but run r1 says abc123",
    ),
    "no digest": (
        lambda m: m.an_artifact(lineage={**m.LINEAGE, "run_id": "r1", "test_set_digest": "md5:1"}),
        "manifest.lineage.test_set_digest is 'md5:1'",
    ),
}


@pytest.mark.parametrize(("files", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_bad_artifact_is_refused_by_name_and_leaves_nothing(world, make, files, reason):
    world.runs.add(make.a_run(), "model", files(make))

    answer = register(world)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:isogloss:problem:artifact-refused"
    assert reason in answer.json()["detail"]
    assert world.history("denied")[-1]["body"]["reason"] == answer.json()["detail"]
    assert world.state["versions"] == []
    assert kept(world) == ([], [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "RUNNING"}, "only a FINISHED run"),
        ({"tags": {}}, "run r1 has no tag commit"),
    ],
)
def test_a_run_that_does_not_vouch_for_the_lineage_is_refused(world, make, change, reason):
    world.runs.add(make.a_run(**change), "model", make.an_artifact())

    assert reason in register(world).json()["detail"]


def test_an_artifact_over_the_limit_is_refused(empty_world, make):
    empty_world.settings = empty_world.settings.model_copy(update={"artifact_limit_bytes": 1024})
    world = empty_world.restart()
    world.runs.add(make.a_run(), "model", make.an_artifact(weights=b"x" * 2000))

    answer = register(world)

    assert answer.status_code == 422
    assert "1,024 are allowed" in answer.json()["detail"]


def test_an_unknown_run_or_folder_is_not_found(world, make):
    world.runs.add(make.a_run(), "model", make.an_artifact())

    assert register(world, "r9").status_code == 404
    assert register(world, path="elsewhere").status_code == 404


def test_a_tracking_server_that_is_down_is_said_so(world):
    world.runs.broken = RunsUnavailable("MLflow cannot be reached")

    answer = register(world)

    assert answer.status_code == 502
    assert answer.json()["detail"] == "MLflow cannot be reached"


class TestDataset:
    """A version's rows are taken out of its run, hashed again, and kept as long as it is."""

    def register(self, world, make, files, **lineage):
        whole = {**make.LINEAGE, "run_id": "r1", **lineage}
        world.runs.add(make.a_run(), "model", make.an_artifact(lineage=whole))
        for name, content in files.items():
            world.runs.contents["r1", name] = content
        return register(world)

    def test_a_version_names_its_rows_and_keeps_them(self, world, make):
        answer = self.register(world, make, {}, dataset="reviews")

        assert answer.status_code == 201, answer.text
        version = answer.json()["version"]
        sets = version["metadata"]["dataset"]["sets"]
        assert sets["train"] == {"digest": make.sha256_digest(make.ROWS["train"]), "rows": 90}
        # The lineage is what was proven, also where the manifest does not say it.
        assert version["lineage"]["dataset_digest"] == version["metadata"]["dataset"]["digest"]
        world.runs.contents.clear()
        path = f"/v1/artifacts/{version['metadata']['made_from']['dataset']}/files"
        assert world.get(f"{path}/test.jsonl").content == make.ROWS["test"]
        assert world.get(f"{path}/dataset.yaml").content == make.a_dataset()["dataset.yaml"]

    def test_versions_of_the_same_rows_keep_them_once(self, world):
        world.register("r1")
        world.register("r2")

        made_from = {v["metadata"]["made_from"]["dataset"] for v in world.state["versions"]}
        assert len(made_from) == 1

    @pytest.mark.parametrize(
        ("lineage", "changes", "reason"),
        [
            ({"dataset": "other"}, {}, "manifest.lineage.dataset is other, but dataset.lock.json"),
            ({"dataset_digest": "sha256:" + "c" * 64}, {}, "manifest.lineage.dataset_digest is"),
            ({}, {"version": "2.0.0"}, "manifest.lineage.dataset_version is 1.0.0"),
            ({}, {"dataset_digest": "sha256:" + "d" * 64}, "but its sets have sha256:"),
            ({}, {"sets": {"test": {"digest": "md5:1", "rows": 1}}}, "without a sha256 digest"),
            ({}, {"sets": {"../a": {"digest": "md5:1", "rows": 1}}}, "or one oddly"),
            ({}, {"sets": {}}, "names no sets"),
            ({}, {"sets": []}, "cannot be read"),
            ({}, {"spec_digest": "sha256:" + "e" * 64}, "was not made from its dataset.yaml"),
        ],
    )
    def test_a_lineage_of_another_data_set_is_refused(self, world, make, lineage, changes, reason):
        answer = self.register(world, make, make.a_dataset(**changes), **lineage)

        assert answer.status_code == 422
        assert reason in answer.json()["detail"]
        assert world.history("denied")[-1]["body"]["reason"] == answer.json()["detail"]

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            (lambda rows: rows[:-1], "line 90 of train.jsonl of the run is no row"),
            (lambda rows: rows.replace(b",1,", b",0,", 1), "holds 90 rows with sha256:"),
            (lambda rows: rows.partition(b"\n")[2], "holds 89 rows with sha256:"),
            (lambda rows: rows + b'["a text"]\n', "line 91 of train.jsonl of the run is no row"),
            (lambda _rows: b"x" * 20_000, "line 1 of train.jsonl of the run is no row"),
        ],
        ids=["cut", "another label", "a row less", "a text", "no lines"],
    )
    def test_rows_that_are_not_the_locks_are_refused(self, world, make, rows, reason):
        answer = self.register(world, make, {"rows/train.jsonl": rows(make.ROWS["train"])})

        assert answer.status_code == 422
        assert reason in answer.json()["detail"]
        assert kept(world) == ([], [])

    @pytest.mark.parametrize("name", ["dataset.lock.json", "dataset.yaml", "rows/test.jsonl"])
    def test_a_run_that_does_not_keep_its_data_set_proves_nothing(self, world, name):
        world.log("r1")
        del world.runs.contents["r1", name]

        answer = register(world)

        assert answer.status_code == 422
        assert f"run r1 keeps no {name}, so what" in answer.json()["detail"]


class TestPrompt:
    """The prompt's digest is computed from the run's own file and held against the lineage."""

    text = (
        "name: ask\nversion: 0.3.1\ngoal: tell praise from blame\nrules: [one word]\n"
        "format: the label alone\nlabels: [good, bad]\n---\nReview: {{text}}\n"
    )

    def register(self, world, make, text, **lineage):
        named = {"prompt": "ask", "prompt_version": "0.3.1"}
        named["prompt_digest"] = make.sha256_digest(self.text.encode())
        whole = {**make.LINEAGE, "run_id": "r1", **named, **lineage}
        world.runs.add(make.a_run(), "model", make.an_artifact(lineage=whole))
        if text is not None:
            world.runs.contents["r1", "prompt.txt"] = text.encode()
        return register(world)

    def test_a_version_says_which_prompt_its_run_kept(self, world, make):
        answer = self.register(world, make, self.text)

        assert answer.status_code == 201, answer.text
        kept = answer.json()["version"]["metadata"]["prompt"]
        digest = make.sha256_digest(self.text.encode())
        assert kept == {"name": "ask", "version": "0.3.1", "digest": digest}
        origin = answer.json()["version"]["metadata"]["made_from"]["prompt"]
        held = world.get(f"/v1/artifacts/{origin}/files/prompt.txt")
        assert held.content == self.text.encode()

    def test_a_prompt_that_the_run_did_not_keep_is_refused(self, world, make):
        assert "keeps no prompt.txt" in self.register(world, make, None).json()["detail"]

    def test_a_prompts_digest_needs_a_version(self, world, make):
        answer = self.register(world, make, None, prompt_version="none")

        assert "but no prompt_version" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("change", "lineage", "reason"),
        [
            (("praise", "irony"), {}, "manifest.lineage.prompt_digest is"),
            (("name: ask", "name: beg"), {}, "manifest.lineage.prompt is ask, but prompt.txt"),
            (("0.3.1", "0.3.2"), {}, "holds version 0.3.2"),
            (("{{text}}", "{{secret}}"), {}, "prompt.txt of the run: "),
            (("name: ask", "name: [a"), {}, "not YAML"),
            (("---", "--"), {}, "has no prompt"),
            (("", ""), {"prompt_digest": "none"}, "manifest.lineage.prompt_digest is none"),
        ],
    )
    def test_a_lineage_of_another_prompt_is_refused(self, world, make, change, lineage, reason):
        answer = self.register(world, make, self.text.replace(*change), **lineage)

        assert answer.status_code == 422
        assert reason in answer.json()["detail"]
        assert world.history("denied")[-1]["body"]["reason"] == answer.json()["detail"]


class TestCommit:
    """Where a run keeps its commit's objects, they prove the commit and what is in it."""

    files: ClassVar = {"dataset.yaml": b"kind: Dataset\n", "train.yaml": b"kind: TrainingPlan\n"}

    def register(self, world, make, commit, proof, **kept):
        lineage = {**make.LINEAGE, "run_id": "r1", "commit": commit}
        run = make.a_run(tags={"commit": commit})
        world.runs.add(run, "model", make.an_artifact(lineage=lineage))
        for name, content in {**self.files, "commit.json": proof, **kept}.items():
            world.runs.contents["r1", name] = content
        return register(world)

    def test_a_version_names_the_commit_that_its_run_proves(self, world, make):
        commit, proof = make.a_commit(self.files)

        version = self.register(world, make, commit, proof).json()["version"]

        assert version["metadata"]["commit"] == {"id": commit, "folder": ".", "differing": []}
        world.runs.contents.clear()
        path = f"/v1/artifacts/{version['metadata']['made_from']['commit']}/files/commit.json"
        assert world.get(path).content == proof

    def test_files_that_are_not_the_commits_are_named(self, world, make):
        commit, proof = make.a_commit({**self.files, "dataset.yaml": b"another"})
        kept = {"train.yaml": b"changed since"}

        version = self.register(world, make, commit, proof, **kept).json()["version"]

        assert version["metadata"]["commit"]["differing"] == ["train.yaml", "dataset.yaml"]

    def test_a_run_outside_of_a_repository_only_states_its_commit(self, world):
        world.register("r1")

        assert "commit" not in world.version("1")["metadata"]

    @pytest.mark.parametrize(
        ("commit", "proof", "reason"),
        [
            ("0" * 40, None, "does not hold commit 000"),
            ("abc123", None, "it has 40 or 64 digits"),
            ("0" * 40, b"{", "commit.json of the run proves nothing"),
            ("0" * 40, b"[" * 9000, "commit.json of the run proves nothing"),
        ],
    )
    def test_objects_of_another_commit_prove_nothing(self, world, make, commit, proof, reason):
        proof = proof or make.a_commit(self.files)[1]

        answer = self.register(world, make, commit, proof)

        assert answer.status_code == 422
        assert reason in answer.json()["detail"]


@pytest.mark.parametrize("path", ["../model", "/etc", "a//b", "a/../b", "", "a\\b", "a%2fb"])
def test_a_path_that_leaves_the_run_is_refused(world, path):
    assert register(world, path=path).status_code == 422


def test_a_damaged_artifact_is_made_whole_by_registering_again(world, make):
    world.runs.add(make.a_run(), "model", make.an_artifact())
    digest = register(world).json()["version"]["digest"]
    hexadecimal = digest.removeprefix("sha256:")
    damaged = world.folder / "registry/artifacts/sha256" / hexadecimal / "model.skops"
    damaged.chmod(0o600)
    damaged.write_bytes(b"tampered")

    broken = world.get(f"/v1/artifacts/{digest}/files/model.skops")
    assert broken.status_code == 500
    assert broken.json()["type"] == "urn:isogloss:problem:artifact-damaged"

    assert register(world).status_code == 200
    served = world.get(f"/v1/artifacts/{digest}/files/model.skops")
    assert served.content == make.a_skops(b"weights")


def test_what_a_crash_left_is_out_of_the_way_at_the_next_start(world):
    digest = world.register()
    root = world.folder / "registry" / "artifacts"
    (root / "incoming" / "half").mkdir()
    (root / "incoming" / "half" / "model.skops").write_bytes(b"wei")
    (root / "sha256" / ("9" * 64)).mkdir()

    world.restart()

    assert kept(world) == (sorted(["9" * 64, digest.removeprefix("sha256:")]), [])
    world.clock.now = time.time() + 7200
    answer = world.call("POST", "/v1/artifacts/collections", json={"older_than_hours": 1})
    assert [each["digest"] for each in answer.json()["removed"]] == ["sha256:" + "9" * 64]
    assert kept(world) == ([digest.removeprefix("sha256:")], [])


def test_what_a_full_disk_stops_leaves_nothing(world, make):
    """A directory without write permission stands in for it: root may write, so use a file."""
    incoming = world.folder / "registry" / "artifacts" / "incoming"
    incoming.rmdir()
    incoming.write_text("in the way")
    world.runs.add(make.a_run(), "model", make.an_artifact())

    answer = register(world)

    assert answer.status_code == 503
    assert "nothing was kept" in answer.json()["detail"]
    assert world.state["versions"] == []


class TestContents:
    """One version of a data set or a prompt has one content, whoever registers."""

    def register(self, world, make, run_id, kept, **lineage):
        files = {"model.skops": make.a_skops(run_id.encode()), "vocabulary.json": b"{}"}
        whole = {"prompt_version": "none", "commit": "abc123", "run_id": run_id, **lineage}
        manifest = make.a_manifest(run_id, files, lineage=whole)
        world.runs.add(make.a_run(run_id), "model", {**files, "manifest.json": manifest})
        for name, content in kept.items():
            world.runs.contents[run_id, name] = content
        return register(world, run_id)

    def other_rows(self, make, **changes):
        return make.a_dataset({**make.ROWS, "train": make.ROWS["test"]}, **changes)

    def test_other_rows_under_a_known_version_are_refused_and_that_recorded(self, world, make):
        assert self.register(world, make, "r1", {}, dataset_version="1.0.0").status_code == 201

        # The manifest names no digest: the rows themselves do.
        answer = self.register(world, make, "r2", self.other_rows(make), dataset_version="1.0.0")

        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:isogloss:problem:content-changed"
        assert "other content needs another version of the data set" in answer.json()["detail"]
        assert "data set reviews 1.0.0" in world.history("denied")[-1]["body"]["reason"]

    def test_another_prompt_under_a_known_version_is_refused(self, world, make):
        for run_id, goal, status in (("r1", "praise", 201), ("r2", "irony", 409)):
            content = TestPrompt.text.replace("praise", goal).encode()
            lineage = {"dataset_version": "1.0.0", "prompt": "ask", "prompt_version": "0.3.1"}
            lineage["prompt_digest"] = make.sha256_digest(content)
            answer = self.register(world, make, run_id, {"prompt.txt": content}, **lineage)
            assert answer.status_code == status, answer.text

    def test_another_version_may_have_another_content(self, world, make):
        assert self.register(world, make, "r1", {}, dataset_version="1.0.0").status_code == 201

        changed = self.other_rows(make, version="1.0.1")
        answer = self.register(world, make, "r2", changed, dataset_version="1.0.1")
        assert answer.status_code == 201
