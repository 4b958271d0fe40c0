"""MLServer's runtime for the pipeline, and what starts it: `mlserver_sklearn.py PORT OTHER MODELS`.

A custom MLModel as its documentation writes one, in the server's own process: worker processes
are slower on one core. A fourth argument is the milliseconds of adaptive batching, up to 64
requests together.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import joblib
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse


class Sentiment(MLModel):
    async def load(self):
        self.pipeline = joblib.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        texts = StringCodec.decode_input(payload.inputs[0])
        scores = self.pipeline.predict_proba(texts)[:, -1:]
        output = NumpyCodec.encode_output("scores", scores)
        return InferenceResponse(model_name=self.name, outputs=[output])


def main():
    """Write the folder that MLServer serves, and become MLServer."""
    port, other, models, *batching = sys.argv[1:]
    server = {
        "host": "127.0.0.1",
        "http_port": int(port),
        "grpc_port": int(other),
        "metrics_port": int(port) + 1,
        "parallel_workers": 0,
        "debug": False,
        "gzip_enabled": False,
    }
    model = {
        "name": "sentiment",
        "implementation": "mlserver_sklearn.Sentiment",
        "parameters": {"uri": str(Path(models) / "pipeline.joblib")},
    }
    if batching:
        model |= {"max_batch_size": 64, "max_batch_time": float(batching[0]) / 1000}
    folder = Path(tempfile.mkdtemp())
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    program = Path(sys.executable).with_name("mlserver")
    os.chdir(folder)
    os.execv(program, [program, "start", folder])


if __name__ == "__main__":
    main()
