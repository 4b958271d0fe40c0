"""KServe's SDK server on the pipeline: `python kserve_sklearn.py PORT MODELS [quiet]`.

A custom Model, V1 REST, as the SDK's documentation writes one; `quiet` switches off the log of
each request's latency. gRPC is off, the loop is uvloop.
"""

import sys
from pathlib import Path

import joblib
from kserve import Model, ModelServer


class Sentiment(Model):
    def __init__(self, path):
        super().__init__("sentiment")
        self.pipeline = joblib.load(path)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        return {"predictions": self.pipeline.predict_proba(payload["instances"]).tolist()}


if __name__ == "__main__":
    ModelServer(
        http_port=int(sys.argv[1]),
        enable_grpc=False,
        enable_latency_logging="quiet" not in sys.argv,
        event_loop="uvloop",
    ).start([Sentiment(Path(sys.argv[2]) / "pipeline.joblib")])
