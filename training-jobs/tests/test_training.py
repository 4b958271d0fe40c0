"""One training run: what is learnt from, what is logged, what drills and interrupts leave."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import httpx
import pytest
import yaml

from lifecycle.prompts import read_prompt
from textmodels.artifacts import load_artifact
from training_jobs.adapters.packages import Sources
from training_jobs.dataset.prepare import prepare
from training_jobs.dataset.prepared import read_set
from training_jobs.dataset.specs import load_spec
from training_jobs.plans import load_plan, with_settings
from training_jobs.ports import Commit
from training_jobs.progress import tell
from training_jobs.refusals import JobRefused
from training_jobs.reports.environment import environment_digest
from training_jobs.runs import PreparedData, Request, train_and_log

COMMIT = Commit("c" * 40, changed=False)
FILES = {
    "classification_report.json",
    "classification_report.txt",
    "confusion_matrix.png",
    "dataset.lock.json",
    "dataset.yaml",
    "environment/environment.json",
    "environment/requirements.txt",
    "model/manifest.json",
    "rows/books.jsonl",
    "rows/test.jsonl",
    "rows/train.jsonl",
    "tokenisation_statistics.json",
    "train.yaml",
}


@pytest.fixture
def data(project, home):
    spec = load_spec(project)
    sources = Sources(project, home / "cache", tell)
    prepared = prepare(spec, home / "data", sources.read, tell)
    names = prepared.lock.sets
    sets = {name: read_set(prepared.directory, prepared.lock, name) for name in names}
    return PreparedData(prepared.lock, spec.content, sets)


@pytest.fixture
def train(project, data, fakes):
    """Train with a fake tracker; returns (the job's result, the run as it was logged)."""

    def run(recipe="tfidf_linear", settings=(), **drill):
        plan = load_plan(project)
        request = Request(
            plan, with_settings(plan.recipe(recipe), settings), COMMIT, "none", **drill
        )
        tracker = fakes.FakeTracker()
        result = train_and_log(request, data, tracker, 1_700_000_000.0, tell)
        return result, tracker.runs["sentiment", result["run_name"]]

    return run


def test_a_run_is_named_tagged_and_described(train, data):
    result, run = train()

    assert result["run_name"] == "sentiment-tfidf_linear-1.0.0-ccccccc-20231114T221320Z"
    assert run.status == "FINISHED"
    assert run.tags["dataset_version"] == "1.0.0"
    assert run.tags["prompt_version"] == "none"
    assert run.tags["commit"] == "c" * 40
    assert run.tags["test_set_digest"] == data.lock.test_set_digest
    assert {"dataset_digest", "family", "language", "owner", "license", "task"} <= set(run.tags)
    assert run.params["max_features"] == "500"
    assert set(run.files) >= FILES


def test_scores_are_logged_in_total_by_slice_and_for_the_other_set(train):
    result, run = train()

    for name in ("f1_macro", "accuracy", "precision_macro", "recall_macro"):
        assert 0.8 < result["metrics"][name] <= 1
        for part in ("short", "medium", "long", "films", "books"):
            assert f"{part}/{name}" in run.metrics


def test_the_logged_model_is_the_one_named_and_knows_where_it_comes_from(train, data, tmp_path):
    result, run = train()
    for name, content in run.files.items():
        path = tmp_path / "logged" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    manifest, predictor = load_artifact(tmp_path / "logged" / "model", result["digest"])

    assert manifest.lineage == {
        "commit": "c" * 40,
        "dataset": "tiny",
        "dataset_digest": data.lock.dataset_digest,
        "dataset_version": "1.0.0",
        "environment_digest": environment_digest(),
        "image": "none",
        "prompt_digest": "none",
        "prompt_version": "none",
        "run_id": run.run_id,
        "test_set_digest": data.lock.test_set_digest,
    }
    answers = predictor.predict(data.judged["test"].texts)
    report = json.loads(run.files["classification_report.json"])
    right = (answers.label_indices == data.judged["test"].labels).mean()
    assert report["accuracy"] == pytest.approx(float(right))


def test_nothing_of_the_test_set_is_learnt_from(train, data):
    _, run = train(settings=["max_features=100000", "min_df=1"])
    vocabulary = run.files["model/vocabulary.json"].decode()

    def own_word(rows):
        return {re.search(r"take\d+", text)[0] for text in rows.texts}

    assert any(word in vocabulary for word in own_word(data.train))
    only_tested = own_word(data.judged["test"]) - own_word(data.train)
    assert only_tested
    assert not [word for word in only_tested if f'"{word}"' in vocabulary]


def test_a_drill_learns_the_opposite_and_says_so_in_the_run_and_in_the_lineage(train):
    result, run = train(flip_labels=True)

    assert result["metrics"]["f1_macro"] < 0.2
    assert run.tags["drill"] == "flipped-labels"
    assert json.loads(run.files["model/manifest.json"])["lineage"]["drill"] == "flipped-labels"


def test_fewer_rows_are_the_first_of_the_training_part_and_tagged(train):
    _, run = train(first_rows=50)

    assert run.tags["first_rows"] == "50"
    assert run.params["training_rows"] == "50"


def test_tokens_are_counted_per_set_and_slice(train, data):
    _, run = train()
    statistics = json.loads(run.files["tokenisation_statistics.json"])

    assert statistics["test"]["all"]["texts"] == len(data.judged["test"])
    assert statistics["test"]["all"]["tokens_per_text"]["median"] > 8
    assert 0 <= statistics["books"]["all"]["out_of_vocabulary_share"]["mean"] < 1


def test_the_environment_names_every_package_and_its_own_digest(train):
    _, run = train()
    requirements = run.files["environment/requirements.txt"]
    environment = json.loads(run.files["environment/environment.json"])

    assert b"scikit-learn==" in requirements
    digest = "sha256:" + hashlib.sha256(requirements).hexdigest()
    assert environment["requirements_digest"] == digest
    assert environment["python"].startswith("3.11")


def test_a_run_keeps_its_rows_by_their_ids_without_a_text(train, data):
    _, run = train()

    assert run.files["dataset.yaml"] == data.spec
    for name, rows in data.sets.items():
        kept = run.files[f"rows/{name}.jsonl"]
        assert "sha256:" + hashlib.sha256(kept).hexdigest() == data.lock.sets[name]["digest"]
        first = json.loads(kept.partition(b"\n")[0])
        assert first == [rows.ids[0], rows.labels[0], rows.sources[0]]
        assert not any(text.encode() in kept for text in rows.texts)


def test_the_confusion_matrix_is_a_picture(train):
    _, run = train()
    picture = run.files["confusion_matrix.png"]

    assert picture.startswith(b"\x89PNG")
    width, height = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert width > 600
    assert height > 500


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["tea=1"], "has no parameter 'tea'"),
        (["max_features=many"], "max_features is 'many'"),
        (["max_features"], "not of the form key=value"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_by_name(train, settings, reason):
    with pytest.raises(JobRefused, match=reason):
        train(settings=settings)


def test_a_family_that_the_plan_does_not_have_is_refused(train):
    with pytest.raises(JobRefused, match="it has tfidf_linear, chars"):
        train("transformer")


def test_a_real_run_ends_in_mlflow_with_its_artifact(run_job, project, mlflow_url):
    code, result, told = run_job(
        "train", project, "--family", "tfidf_linear", MLFLOW_TRACKING_URI=mlflow_url
    )

    assert code == 0, told
    run = ask(mlflow_url, "mlflow/runs/get", run_id=result["run_id"]).json()["run"]
    assert run["info"]["status"] == "FINISHED"
    root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    path = f"{root}/{result['artifact_path']}/manifest.json"
    manifest = ask(mlflow_url, f"mlflow-artifacts/artifacts/{path}").content
    assert "sha256:" + hashlib.sha256(manifest).hexdigest() == result["digest"]


def test_an_interrupted_run_ends_killed_with_nothing_to_register(project, home, mlflow_url):
    command = [sys.executable, "-m", "training_jobs", "train", str(project), "--family", "chars"]
    command += ["--set", "ngram_range=[1, 20]", "--set", "min_df=1"]
    environment = {
        "ISOGLOSS_HOME": str(home),
        "ISOGLOSS_TRAINING_JOBS_COMMIT": "d" * 40,
        "MLFLOW_TRACKING_URI": mlflow_url,
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **environment}
    ) as job:
        while b"reading" not in job.stderr.readline():
            assert job.poll() is None
        job.send_signal(signal.SIGTERM)
        output, told = job.communicate()

    assert job.returncode == 1
    assert not output
    assert b"interrupted" in told
    (run,) = runs_of_commit(mlflow_url, "d" * 40)
    assert run["info"]["status"] == "KILLED"
    listed = ask(mlflow_url, "mlflow/artifacts/list", run_id=run["info"]["run_id"])
    assert not listed.json().get("files")


def ask(mlflow_url, path, **params):
    answer = httpx.get(f"{mlflow_url}/api/2.0/{path}", params=params, timeout=60)
    return answer.raise_for_status()


def runs_of_commit(mlflow_url, commit):
    found = ask(mlflow_url, "mlflow/experiments/get-by-name", experiment_name="sentiment").json()
    body = {
        "experiment_ids": [found["experiment"]["experiment_id"]],
        "filter": f"tags.commit = '{commit}'",
    }
    answer = httpx.post(f"{mlflow_url}/api/2.0/mlflow/runs/search", json=body, timeout=60)
    return answer.raise_for_status().json()["runs"]


def test_a_run_is_linked_to_its_prompt_by_version_and_digest(train):
    prompt = read_prompt(
        {
            "name": "sentiment",
            "version": "0.3.1",
            "goal": "praise or not",
            "rules": ["one word"],
            "format": "the label",
            "labels": ["negative", "positive"],
        },
        "Review: {{text}}",
        b"the file",
        "prompts/prompt_v0.3.1.txt",
    )

    _, run = train(prompt=prompt)

    assert (run.tags["prompt"], run.tags["prompt_version"]) == ("sentiment", "0.3.1")
    lineage = json.loads(run.files["model/manifest.json"])["lineage"]
    assert lineage["prompt_digest"] == prompt.digest
    assert run.files["prompt.txt"] == prompt.content


def test_what_a_run_kept_is_judged_by_the_projects_offline_gates(train, project, run_job, tmp_path):
    gates = [
        {
            "name": "quality",
            "guards": OFFLINE_MOVES,
            "evidence": "offline",
            "rules": [
                {"measure": "macro_f1", "at_least": 0.8, "min_n": 40},
                {"measure": "macro_f1_difference", "margin": 0.02},
                {"measure": "invariance_failures", "at_most": 0.2},
                {"measure": "leaked_ratio", "at_most": 0},
                {"measure": "explanation_sum_failures", "at_most": 0.2},
                {"measure": "explanation_faithfulness", "at_least": 0.1},
            ],
        },
        *UNUSED_GATES,
    ]
    policy = {"kind": "GatePolicy", "name": "p", "version": "1", "evidence_max_age_hours": 1}
    tests = {"invariance": [{"name": "case", "edit": "prepend", "text": "Well. "}], "rows": 40}
    document = {**policy, "gates": gates, "behaviour": tests}
    (project / "policy.yaml").write_text(yaml.safe_dump(document))
    train(keep_in=tmp_path / "good")
    train(keep_in=tmp_path / "bad", flip_labels=True)

    good, bad = (
        run_job("offline-gate", project, "--artifact", tmp_path / name) for name in ("good", "bad")
    )
    assert good[0] == 0, good[2]
    assert "PASS quality: macro_f1_difference on slice all: nothing in PRODUCTION" in good[2]
    assert "leaked_ratio on slice all: 0 [0, 0] over 40" in good[2]
    assert "PASS quality: explanation_sum_failures on slice all: 0 [0, " in good[2]
    assert "PASS quality: explanation_faithfulness on slice all: " in good[2]
    assert bad[0] == 1
    assert bad[1]["verdict"]["outcome"] == "FAIL"


def test_a_model_is_judged_in_the_job_that_trains_it_where_that_is_asked(
    project, run_job, mlflow_url
):
    rules = [{"measure": "macro_f1", "at_least": 0.8, "min_n": 40}]
    gate = {"name": "quality", "guards": OFFLINE_MOVES, "evidence": "offline", "rules": rules}
    policy = {"kind": "GatePolicy", "name": "p", "version": "1", "evidence_max_age_hours": 1}
    document = {**policy, "gates": [gate, *UNUSED_GATES]}
    (project / "policy.yaml").write_text(yaml.safe_dump(document))
    train = ("train", project, "--family", "tfidf_linear", "--judge", "--flip-labels")

    code, result, said = run_job(*train, MLFLOW_TRACKING_URI=mlflow_url)

    assert code == 1, said
    assert (result["verdict"]["outcome"], len(result["run_id"])) == ("FAIL", 32)


OFFLINE_MOVES = ["REGISTERED->STAGING", "ARCHIVED->STAGING", "STAGING->PRODUCTION"]
UNUSED_GATES = [
    {
        "name": name,
        "guards": [move],
        "evidence": kind,
        "rules": [{"measure": measure, "at_most": 0.1}],
    }
    for name, move, kind, measure in (
        ("shadow", "SHADOW->CANARY", "shadow", "disagreement"),
        ("canary", "SHADOW->PRODUCTION", "canary", "error_ratio"),
    )
]
