"""What data sets are described as is read by the tools that others read it with."""

import json
import os
import subprocess
import sys

import pytest
import yaml

# Its environment is made first.
pytestmark = pytest.mark.timeout(900)

READS = """
import json, sys
import mlcroissant
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = dataset.metadata.ctx.issues
assert not issues.errors, issues.report()
first = next(iter(dataset.records(record_set="books")))
print(json.dumps({
    "name": dataset.metadata.name,
    "sets": sorted(each.id for each in dataset.metadata.record_sets),
    "label": first["books/label"].decode(),
}))
"""


@pytest.fixture
def project(root, tmp_path):
    """The example's data set, made of two small tables."""
    document = yaml.safe_load((root / "examples/sentiment/dataset.yaml").read_text())
    tables = {"films": range(200), "books": range(200, 240)}
    sources = [{"name": name, "kind": "csv", "path": f"{name}.csv"} for name in tables]
    sets = [{"name": "main", "sources": ["films"]}, {"name": "books", "sources": ["books"]}]
    document |= {"name": "tiny", "sources": sources, "sets": sets}
    document["quality"]["min_rows"] = 100
    document["split"].pop("digest")
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(document))
    for name, numbers in tables.items():
        rows = [f"a text of number {i},{('positive', 'negative')[i % 2]}" for i in numbers]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return tmp_path


def test_mlcroissant_finds_no_error_and_reads_the_rows(run, mlcroissant, project):
    exported = subprocess.run(
        [sys.executable, "-m", "training_jobs", "export-data", project],
        env=os.environ | {"ISOGLOSS_TRAINING_JOBS_HOME": str(project / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert exported.returncode == 0, exported.stderr
    described = json.loads(exported.stdout.splitlines()[-1])["croissant"]

    read = run(mlcroissant, "-c", READS, described).splitlines()[-1]
    assert json.loads(read) == {
        "name": "tiny",
        "sets": ["books", "test", "train"],
        "label": "positive",
    }
