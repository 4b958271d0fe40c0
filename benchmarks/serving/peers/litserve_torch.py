"""LitServe on the encoder in torch: `python litserve_torch.py PORT MODELS [batching]`.

As its documentation writes it, with its fast queue; `batching` puts up to 16 requests together,
waiting at most 5 ms.
"""

import sys
from pathlib import Path

import litserve
from torch_encoder import TorchEncoder


class Sentiment(litserve.LitAPI):
    def setup(self, device):
        self.encoder = TorchEncoder(Path(sys.argv[2]))

    def decode_request(self, request):
        return request["text"]

    def predict(self, asked):
        if isinstance(asked, (list, tuple)):
            return self.encoder.predict(list(asked))
        return self.encoder.predict([asked])[0]

    def encode_response(self, score):
        return {"score": score}


if __name__ == "__main__":
    batching = {"max_batch_size": 16, "batch_timeout": 0.005} if "batching" in sys.argv else {}
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
