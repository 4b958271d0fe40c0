"""LitServe on the pipeline: `python litserve_sklearn.py PORT MODELS [batching]`.

As its documentation writes it, with its fast queue; `batching` puts up to 64 requests together,
waiting at most 2 ms.
"""

import sys
from pathlib import Path

import joblib
import litserve


class Sentiment(litserve.LitAPI):
    def setup(self, device):
        self.pipeline = joblib.load(Path(sys.argv[2]) / "pipeline.joblib")

    def decode_request(self, request):
        return request["text"]

    def predict(self, asked):
        texts = list(asked) if isinstance(asked, (list, tuple)) else [asked]
        scores = self.pipeline.predict_proba(texts)[:, -1].tolist()
        return scores if isinstance(asked, (list, tuple)) else scores[0]

    def encode_response(self, score):
        return {"score": score}


if __name__ == "__main__":
    batching = {"max_batch_size": 64, "batch_timeout": 0.002} if "batching" in sys.argv else {}
    server = litserve.LitServer(
        Sentiment(**batching), accelerator="cpu", workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
    )
