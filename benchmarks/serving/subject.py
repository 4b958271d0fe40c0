"""The models that all servers serve, and the texts they are asked about.

The data are the example's reviews. Each model is trained once and kept in .isogloss/benchmarks in
two forms: as our artifact, and as what its engine itself reads.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from bars import tell
from own_server import LABELS
from peer_environments import CACHE, ROOT
from scorer import read_reviews

from textmodels.artifacts import save_artifact
from textmodels.families import FAMILIES, Fitted, fit_family
from textmodels.families.keras_embedding.predictor import EmbeddingPredictor
from textmodels.families.tfidf_linear.files import unpack_pipeline

WORDS, COUNT = 64, 256
SECRET = "a-token-of-the-benchmark"  # noqa: S105 - nobody is kept out by it


@dataclass(frozen=True)
class Subject:
    """A folder with one model in both forms, and texts.

    Also in the folder: texts.json, and `secret`, which serves as token and as fingerprint key.
    """

    home: Path
    family: str
    texts: Sequence[str]


def models_home() -> Path:
    """Return where models are kept: another folder once the code that makes them is another."""
    found = hashlib.sha256()
    for path in sorted((ROOT / "libs" / "textmodels").rglob("*")):
        if path.suffix in {".py", ".c", ".h"}:
            found.update(path.read_bytes())
    home = CACHE / f"models-{found.hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    return home


def write_tfidf(home: Path) -> Subject:
    """Train the example's tfidf_linear: bigrams, up to 100,000 features."""
    pipeline = home / "pipeline.joblib"
    if not pipeline.exists():
        fitted = _fit("tfidf_linear", {})
        manifest = save_artifact(new(home / "tfidf_linear"), fitted, {})
        files = FAMILIES["tfidf_linear"].pack(fitted.predictor)
        joblib.dump(unpack_pipeline(files, manifest).pipeline, pipeline)
    return subject(home, "tfidf_linear", _words64())


def write_keras(home: Path) -> Subject:
    """Train the example's keras_embedding for one epoch: its worth does not change its cost."""
    vocabulary = home / "vocabulary.json"
    if not vocabulary.exists():
        fitted = _fit("keras_embedding", {"epochs": 1})
        predictor = fitted.predictor
        if not isinstance(predictor, EmbeddingPredictor):
            raise TypeError(f"keras_embedding is now a {type(predictor).__name__}: read it here")
        save_artifact(new(home / "keras_embedding"), fitted, {})
        np.savez(home / "weights.npz", **vars(predictor.network))
        terms = {"columns": dict(predictor.vocabulary), "max_length": predictor.max_length}
        vocabulary.write_text(json.dumps(terms))
    return subject(home, "keras_embedding", _words64())


def subject(home: Path, family: str, texts: Sequence[str]) -> Subject:
    """Return what is in a folder, with the texts that are now asked about."""
    (home / "texts.json").write_text(json.dumps(texts))
    secret = home / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    return Subject(home, family, texts)


def new(directory: Path) -> Path:
    """Remove what a run left that was stopped half-way."""
    shutil.rmtree(directory, ignore_errors=True)
    return directory


def _fit(family: str, params: Mapping[str, Any]) -> Fitted:
    train, _ = read_reviews()
    labels = [LABELS[label] for label in train.labels]
    return fit_family(family, train.texts, labels, params, 1, tell)


def _words64() -> list[str]:
    _, test = read_reviews()
    long = (text.split() for text in test.texts)
    return [" ".join(words[:WORDS]) for words in long if len(words) >= WORDS][:COUNT]
