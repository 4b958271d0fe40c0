"""A tracking server without a server, and builders of what the registry is given."""

import hashlib
import io
import json
import zipfile

from lifecycle.commits import object_id, render_commit
from lifecycle.datasets import row_id, row_line
from lifecycle.digests import canonical_json, sha256_digest
from lifecycle.evidence import Evidence, EvidenceKind, Measurement, Subjects
from registry_proxy.artifacts.ports import Run, RunFile, RunUnknown
from stats.quantiles import latency_buckets

LABELS = ["negative", "positive"]
ROWS = {
    name: b"".join(row_line(row_id(f"{name} {n}"), n % 2, "reviews") for n in range(rows))
    for name, rows in (("train", 90), ("test", 10))
}
TESTS_DIGEST = sha256_digest(ROWS["test"])
TAGS = {"commit": "abc123"}
LINEAGE = {
    **TAGS,
    "dataset_version": "1.0.0",
    "prompt_version": "none",
    "test_set_digest": TESTS_DIGEST,
}


class FakeRuns:
    """Implements `artifacts.ports.Runs` on dictionaries."""

    def __init__(self):
        self.runs = {}
        self.contents = {}
        self.broken = None

    def add(self, run, folder, files):
        """Log a run with a model and with what it was made from."""
        self.runs[run.id] = run
        named = {f"{folder}/{name}": content for name, content in files.items()}
        for name, content in {**a_dataset(), **named}.items():
            self.contents[run.id, name] = content

    def run(self, run_id):
        self._refuse_broken()
        if run_id not in self.runs:
            raise RunUnknown(f"no run {run_id}")
        return self.runs[run_id]

    def files(self, run_id, folder):
        self.run(run_id)
        return tuple(
            RunFile(path.removeprefix(f"{folder}/"), len(content))
            for (owner, path), content in sorted(self.contents.items())
            if owner == run_id and path.startswith(f"{folder}/")
        )

    def read(self, run_id, path):
        self.run(run_id)
        if (run_id, path) not in self.contents:
            raise RunUnknown(f"run {run_id} has no artifact {path}")
        content = self.contents[run_id, path]
        for start in range(0, len(content), 7):
            yield content[start : start + 7]

    def close(self):
        pass

    def _refuse_broken(self):
        if self.broken:
            raise self.broken


def a_dataset(rows=None, **changes):
    """Build the files by which a run keeps its data set: description, lock, and row files."""
    rows, spec = rows or ROWS, b"kind: Dataset\n"
    sets = {
        name: {"digest": sha256_digest(content), "rows": content.count(b"\n")}
        for name, content in rows.items()
    }
    digests = {name: each["digest"] for name, each in sets.items()}
    lock = {
        "name": "reviews",
        "version": "1.0.0",
        "dataset_digest": sha256_digest(canonical_json(digests)),
        "spec_digest": sha256_digest(spec),
        "sets": sets,
        "sources": {"reviews.csv": "sha256:" + "b" * 64},
    }
    files = {f"rows/{name}.jsonl": content for name, content in rows.items()}
    lock_file = json.dumps({**lock, **changes}).encode()
    return {**files, "dataset.yaml": spec, "dataset.lock.json": lock_file}


def a_commit(files):
    """Build a git commit of these files, in the root of a repository; returns (its id, the file by
    which a run proves it).
    """
    tree = b"".join(
        b"100644 " + name.encode() + b"\0" + bytes.fromhex(object_id("blob", content))
        for name, content in sorted(files.items())
    )
    commit = f"tree {object_id('tree', tree)}\nauthor a <a@b> 1 +0000\n\nfirst\n".encode()
    objects = [("commit", commit), ("tree", tree)]
    return object_id("commit", commit), render_commit(".", objects)


def a_run(run_id="r1", **changes):
    fields = {
        "id": run_id,
        "status": "FINISHED",
        "tags": {
            "commit": LINEAGE["commit"],
            "language": "en",
            "team": "reviews",
            "mlflow.user": "x",
        },
        "params": {"family": "tfidf_linear"},
        "metrics": {"f1_macro": 0.9, "broken": float("nan")},
    }
    return Run(**{**fields, **changes})


def a_manifest(run_id, files, **changes):
    document = {
        "format": "isogloss.artifact/v1",
        "family": "tfidf_linear",
        "task": "text-classification",
        "labels": LABELS,
        "preprocessing": {},
        "projection_seed": 7,
        "lineage": {**LINEAGE, "run_id": run_id},
        "files": {name: sha256_digest(content) for name, content in files.items()},
    }
    return canonical_json({**document, **changes})


def a_skops(weights=b"weights", node=("JsonNode", "builtins", "str"), descr="'|u1'"):
    """Build a skops file of one node and one array, which holds the weights byte for byte."""
    loader, module, name = node
    schema = {"__loader__": loader, "__module__": module, "__class__": name, "content": "1"}
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': ({len(weights)},)}}\n".encode()
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + weights
    return a_zip({"schema.json": json.dumps(schema).encode(), "1.npy": array})


def a_zip(entries, method=zipfile.ZIP_STORED):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def an_artifact(run_id="r1", weights=b"weights", **changes):
    files = {"model.skops": a_skops(weights), "vocabulary.json": b'{"good":0}'}
    return {**files, "manifest.json": a_manifest(run_id, files, **changes)}


def cells(right, wrong_by_both=0, wins=0, losses=0, name="all"):
    """Rows of two balanced classes: `right` by both versions, wrong by both, or by one."""
    rows = []
    for truth, other in ((0, 1), (1, 0)):
        rows += [
            [truth, truth, truth, right // 2],
            [truth, other, other, wrong_by_both // 2],
            [truth, other, truth, wins // 2],
            [truth, truth, other, losses // 2],
        ]
    return {"name": "cells", "slice": name, "counts": {"labels": LABELS, "cells": rows}}


def without_baseline(measurement):
    rows = [[t, -1, c, n] for t, _, c, n in measurement["counts"]["cells"]]
    return {**measurement, "counts": {**measurement["counts"], "cells": rows}}


def latencies(fast=1000, slow=0):
    edges = [next(e for e in latency_buckets() if e >= limit) for limit in (10, 200)]
    buckets = [[edges[0], fast], [edges[1], slow]]
    return {"name": "latency_ms", "slice": "all", "counts": {"buckets": buckets}}


def pairs(n=1000, bad=50, missing=0):
    counts = {"n": n, "bad": bad, "missing": missing, "eligible": n, "paired": n - missing}
    return {"name": "pairs", "slice": "all", "counts": counts}


def labelled(n=1000, wins=60, losses=20):
    counts = {"n": n, "wins": wins, "losses": losses}
    return {"name": "labelled", "slice": "all", "counts": counts}


def requests(n=1000, errors=0):
    return {"name": "requests", "slice": "all", "counts": {"n": n, "errors": errors}}


def slow(n=1000, over=0, limit_ms=150):
    counts = {"n": n, "over": over, "limit_ms": limit_ms}
    return {"name": "slow", "slice": "all", "counts": counts}


def evidence(kind, model, subjects, measurements, now, **changes):
    """Build Evidence of one hour's measuring that ended at `now` and counts for an hour."""
    fields = {
        "kind": EvidenceKind(kind),
        "model": model,
        "subjects": Subjects(**subjects),
        "measurements": tuple(_measurement(each, now) for each in measurements),
        "producer": "a test",
        "produced_at": now,
        "expires_at": now + 3600,
        "details": {},
    }
    return Evidence(**{**fields, **changes})


def hashed(token):
    return hashlib.sha256(token.encode()).hexdigest()


def _measurement(written, now):
    counts = written["counts"]
    n = counts.get("n")
    if "cells" in counts:
        n = sum(row[-1] for row in counts["cells"])
    if "buckets" in counts:
        n = sum(count for _, count in counts["buckets"])
    fields = {"n": n, "source": "a test", "started_at": now - 3600, "ended_at": now}
    return Measurement(**{**fields, **written})
