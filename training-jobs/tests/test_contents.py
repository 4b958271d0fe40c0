"""One version, one content: data sets and prompts, in the project and in a run."""

import hashlib
import json
from pathlib import Path

import pytest

from training_jobs.contents import CONTENTS_NAME, Content, check_contents, load_prompts
from training_jobs.refusals import JobRefused

PROMPT = """name: sentiment
version: 0.3.1
goal: tell whether a review praises
rules:
  - answer with one word
format: the label alone
labels: [negative, positive]
---
Answer with one of {{labels}}.
Review: {{text}}
"""


@pytest.fixture
def prompt(project):
    (project / "prompts").mkdir()
    path = project / "prompts" / "prompt_v0.3.1.txt"
    path.write_text(PROMPT)
    return path


def content_checks(result):
    checks = {c["name"]: c for c in result["checks"] if c["name"].startswith("content of")}
    return {name.removeprefix("content of "): check["outcome"] for name, check in checks.items()}


def test_a_lock_that_cannot_be_written_is_refused_with_what_to_do(tmp_path):
    new = Content("dataset", "tiny", "1.0.0", "sha256:" + "0" * 64)

    with pytest.raises(JobRefused, match="run check-data where it can be written, and commit"):
        check_contents(tmp_path / "not-there", [new], frozen=False)


@pytest.mark.usefixtures("prompt")
def test_what_is_new_is_written_to_the_projects_lock(project, run_job):
    code, result, _ = run_job("check-data", project)

    assert code == 0
    held = json.loads((project / CONTENTS_NAME).read_text())
    assert held == {
        "dataset tiny 1.0.0": result["dataset_digest"],
        "prompt sentiment 0.3.1": load_prompts(project)[0].digest,
    }


def test_a_changed_prompt_under_the_same_version_is_refused(project, prompt, run_job):
    run_job("check-data", project)
    prompt.write_text(PROMPT.replace("one word", "two words"))

    code, result, told = run_job("check-data", project)
    assert code == 1
    assert content_checks(result)["prompt sentiment 0.3.1"] == "FAIL"
    assert "other content needs another version" in told


def test_changed_rows_under_the_same_version_are_refused_on_a_fresh_machine(
    project, run_job, tmp_path, write_reviews, two_hundred_reviews
):
    run_job("check-data", project)
    text, label = two_hundred_reviews[0]
    write_reviews([(text + " indeed", label), *two_hundred_reviews[1:]])

    code, result, _ = run_job("check-data", project, ISOGLOSS_HOME=str(tmp_path / "fresh"))
    assert code == 1
    assert content_checks(result) == {"dataset tiny 1.0.0": "FAIL"}


@pytest.mark.usefixtures("prompt")
def test_frozen_refuses_what_was_not_committed_and_writes_nothing(project, run_job):
    code, result, told = run_job("check-data", project, "--frozen")

    assert code == 1
    assert set(content_checks(result).values()) == {"FAIL"}
    assert not (project / CONTENTS_NAME).exists()
    assert "commit that file" in told


def test_a_data_set_is_described_as_croissant_with_every_files_sha256(project, run_job):
    code, result, told = run_job("export-data", project)

    assert code == 0, told
    path = Path(result["croissant"])
    described = json.loads(path.read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert {each["@id"] for each in described["recordSet"]} == {"train", "test", "books"}
    for file in described["distribution"]:
        content = (path.parent / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
