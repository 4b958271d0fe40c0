"""The registry-proxy lets in what the families write: both sides know the formats themselves."""

import pytest

from registry_proxy.artifacts.formats import refuse_content
from registry_proxy.artifacts.manifests import read_manifest
from textmodels.artifacts import save_artifact
from textmodels.families import fit_family

LINEAGE = {"dataset_version": "1.0.0", "prompt_version": "none", "commit": "abc", "run_id": "r1"}


@pytest.mark.parametrize("labels", [("good", "bad"), ("good", "bad", "mixed")])
def test_every_file_of_a_trained_model_is_let_in(tmp_path, labels):
    texts = [f"{word} {number} fine words here" for number in range(30) for word in labels]
    told = [label for _ in range(30) for label in labels]
    fitted = fit_family("tfidf_linear", texts, told, {}, seed=1)
    save_artifact(tmp_path / "model", fitted, LINEAGE)

    manifest = read_manifest((tmp_path / "model" / "manifest.json").read_bytes())
    assert {"model.skops", "scorer.safetensors", "vocabulary.json"} <= manifest.files.keys()
    for name in manifest.files:
        refuse_content(name, (tmp_path / "model" / name).read_bytes())
