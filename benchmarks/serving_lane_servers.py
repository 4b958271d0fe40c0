# ruff: noqa: INP001 - scripts, not a package
"""The servers that serving_lane.py measures, and the models they serve.

`python benchmarks/serving_lane_servers.py '{...}'` is one server on one core until it is told to
stop. The weights of the models are random: what a request costs does not depend on their worth.
"""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import uvicorn
import uvloop
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from inference.app import run
from inference.settings import InferenceSettings
from textmodels.artifacts import save_artifact
from textmodels.families import Fitted, fit_family
from textmodels.families.keras_embedding.predictor import EmbeddingPredictor, Network
from textmodels.families.tfidf_linear.compiled_predictor import CompiledPredictor
from textmodels.predictions import Predictions

WORDS, TERMS, TEXTS = 64, 20_000, 2_000
LABELS = ("negative", "positive")


def make_texts() -> list[str]:
    """Return texts of 64 words that are as unevenly common as a language's."""
    draw = random.Random(1)  # noqa: S311 - the same texts in every run
    shares = [1 / (rank + 10) for rank in range(TERMS)]
    words = [f"w{number:x}" for number in range(TERMS)]
    return [" ".join(draw.choices(words, shares, k=WORDS)) for _ in range(TEXTS)]


def make_labels() -> list[str]:
    """Return a label for each text."""
    return [LABELS[number % 2] for number in range(TEXTS)]


def make_pipeline_of_scikit_learn() -> Pipeline:
    """Return what a tutorial would fit: bigrams and a logistic regression."""
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    return pipeline.fit(make_texts(), make_labels())


def save_artifacts(directory: Path) -> None:
    """Save one artifact of each family, under its name."""
    linear = fit_family("tfidf_linear", make_texts(), make_labels(), {"min_df": 1}, seed=1)
    save_artifact(directory / "tfidf_linear", linear, {})
    draw = np.random.default_rng(1)
    embedding, kernel = (
        draw.normal(0, 0.1, shape).astype(np.float32) for shape in ((TERMS + 2, 64), (64, 1))
    )
    network = Network(embedding, kernel, np.zeros(1, np.float32))
    vocabulary = {f"w{number:x}": number for number in range(TERMS)}
    predictor = EmbeddingPredictor(network, vocabulary, 256, LABELS, 1)
    save_artifact(
        directory / "keras_embedding",
        Fitted("keras_embedding", LABELS, predictor, {}, [], {}, 1),
        {},
    )


def main() -> None:
    """Be the server that the first argument describes."""
    asked = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {asked["core"]})
    if asked["family"] == "bare":
        serve_scikit_learn(asked["port"])
    elif asked["family"] == "floor":
        uvloop.run(serve_floor(asked["port"]))
    else:
        serve_inference(asked)


def serve_scikit_learn(port: int) -> None:
    """Serve the pipeline as a tutorial would, on the fast loop and parser, without a log."""
    pipeline = make_pipeline_of_scikit_learn()
    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> None:
        return None

    @app.post("/predict")
    async def predict(body: Body) -> dict[str, object]:
        scores = pipeline.predict_proba([body.text])[0].tolist()
        label = LABELS[int(scores[1] > scores[0])]
        return {"prediction": label, "scores": dict(zip(LABELS, scores, strict=True))}

    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_config=None, access_log=False)


class Body(BaseModel):
    """What that server is asked."""

    text: str


async def serve_floor(port: int) -> None:
    """Answer every packet with the same bytes: what a request costs before anything is done."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    async with await loop.create_server(Floor, "127.0.0.1", port):
        await stopped.wait()


class Floor(asyncio.Protocol):
    """One connection of that server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request."""
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        """Look at nothing."""
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


def serve_inference(asked: dict[str, object]) -> None:
    """Serve an artifact as `python -m inference` does, every feature on."""
    directory = Path(str(asked["directory"]))
    EmbeddingPredictor.inline = CompiledPredictor.inline = bool(asked["inline"])
    if asked["null"]:
        score_nothing()
    given: dict[str, object] = {
        "model": "sentiment",
        "artifact": str(directory / str(asked["family"])),
        "port": asked["port"],
        "metrics_port": 0,
        "shutdown_delay_seconds": 0,
    }
    if asked["sink"]:
        secret = directory / "secret"
        given["drift_monitor_url"] = f"http://127.0.0.1:{asked['sink']}"
        given |= {"token_file": secret, "fingerprint_key_file": secret}
    run(InferenceSettings(**given))


def score_nothing() -> None:
    """Let the network answer every text with one answer made before, to see all but its cost."""
    predict, kept = EmbeddingPredictor.predict, []

    def answer(predictor: EmbeddingPredictor, texts: list[str]) -> Predictions:
        kept[:] = kept or [predict(predictor, texts)]
        return kept[0]

    EmbeddingPredictor.predict = answer


if __name__ == "__main__":
    main()
