"""KServe's SDK server on the encoder in torch: `python kserve_torch.py PORT MODELS`.

A custom Model, V1 REST, as the SDK's documentation writes one; no log, no gRPC, uvloop.
"""

import sys
from pathlib import Path

from kserve import Model, ModelServer
from torch_encoder import TorchEncoder


class Sentiment(Model):
    def __init__(self, models):
        super().__init__("sentiment")
        self.encoder = TorchEncoder(models)
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        return {"predictions": [[score] for score in self.encoder.predict(payload["instances"])]}


if __name__ == "__main__":
    ModelServer(
        http_port=int(sys.argv[1]),
        enable_grpc=False,
        enable_latency_logging=False,
        event_loop="uvloop",
    ).start([Sentiment(Path(sys.argv[2]))])
