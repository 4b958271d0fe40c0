"""BentoML's services for the pipeline, as its documentation writes them.

`Sentiment` scores each request by itself, `Batching` lets BentoML put requests together. One
worker, no access log.
"""

import os
from pathlib import Path

import bentoml
import joblib

QUIET = {"access": {"enabled": False}}


def load_pipeline():
    return joblib.load(Path(os.environ["MODELS"]) / "pipeline.joblib")


@bentoml.service(name="sentiment", workers=1, logging=QUIET)
class Sentiment:
    def __init__(self):
        self.pipeline = load_pipeline()

    @bentoml.api
    def predict(self, texts: list[str]) -> list[float]:
        return self.pipeline.predict_proba(texts)[:, -1].tolist()


@bentoml.service(name="sentiment-batching", workers=1, logging=QUIET)
class Batching:
    def __init__(self):
        self.pipeline = load_pipeline()

    @bentoml.api(batchable=True, max_batch_size=64)
    def predict(self, texts: list[str]) -> list[float]:
        return self.pipeline.predict_proba(texts)[:, -1].tolist()
