import json

import pytest

from textmodels.manifests import ArtifactError, Manifest, sha256_digest

DIGEST = "sha256:" + "a" * 64
FIELDS = {
    "family": "tfidf_linear",
    "labels": ("nég", "pos"),
    "preprocessing": {"lowercase": True},
    "projection_seed": 7,
    "lineage": {"commit": "abc"},
    "files": {"model.skops": DIGEST},
}


def encode(document):
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def test_the_bytes_are_canonical_json():
    raw = Manifest(**FIELDS).to_bytes()
    assert (
        raw
        == (
            '{"family":"tfidf_linear","files":{"model.skops":"' + DIGEST + '"},'
            '"format":"isogloss.artifact/v1","labels":["nég","pos"],"lineage":{"commit":"abc"},'
            '"preprocessing":{"lowercase":true},"projection_seed":7,"task":"text-classification"}'
        ).encode()
    )
    assert Manifest(**FIELDS).digest == sha256_digest(raw)


def test_what_is_written_is_read():
    manifest = Manifest(**FIELDS)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "isogloss.artifact/v2", "format must be 'isogloss.artifact/v1'"),
        ("task", "translation", "task must be 'text-classification'"),
        ("family", "", "family must be a family's name"),
        ("labels", ["one"], "labels must be a list of two or more"),
        ("labels", ["one", "one"], "labels must be a list of two or more"),
        ("labels", ["one", 2], "labels must be a list of two or more"),
        ("labels", [["one"], ["two"]], "labels must be a list of two or more"),
        ("preprocessing", [], "preprocessing must be an object"),
        ("projection_seed", -1, "projection_seed must be a whole number"),
        ("projection_seed", True, "projection_seed must be a whole number"),
        ("lineage", {"run": 1}, "lineage must be an object of texts"),
        ("files", {"model.skops": "md5:00"}, "files must be an object of plain file names"),
        ("files", {"../model.skops": DIGEST}, "files must be an object of plain file names"),
        ("files", {"/etc/passwd": DIGEST}, "files must be an object of plain file names"),
        ("files", {"..": DIGEST}, "files must be an object of plain file names"),
        ("files", {"a/b.json": DIGEST}, "files must be an object of plain file names"),
        ("files", {"a\n.json": DIGEST}, "files must be an object of plain file names"),
    ],
)
def test_a_wrong_field_is_named(field, value, message):
    document = json.loads(Manifest(**FIELDS).to_bytes())
    with pytest.raises(ArtifactError, match=message):
        Manifest.from_bytes(encode({**document, field: value}))


def test_a_missing_and_an_unknown_field_are_named():
    document = json.loads(Manifest(**FIELDS).to_bytes())
    with pytest.raises(ArtifactError, match="'signature' is not a field"):
        Manifest.from_bytes(encode({**document, "signature": ""}))
    del document["lineage"]
    with pytest.raises(ArtifactError, match="lineage is missing"):
        Manifest.from_bytes(encode(document))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (json.dumps(json.loads(Manifest(**FIELDS).to_bytes())).encode(), "not canonical"),
        (
            Manifest(**FIELDS).to_bytes().replace(b'{"family"', b'{"task":"x","family"'),
            "not canonical",
        ),
        (Manifest(**FIELDS).to_bytes().replace(b"true", b"NaN"), "not canonical"),
        (Manifest(**FIELDS).to_bytes().replace(b"abc", b"\\ud800"), "not canonical"),
    ],
)
def test_bytes_that_are_no_canonical_object_are_refused(raw, message):
    with pytest.raises(ArtifactError, match=message):
        Manifest.from_bytes(raw)
