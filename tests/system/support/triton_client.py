"""Asks a predictor with Triton's gRPC client and prints, as JSON, what it understood."""

import json
import sys

import numpy as np
from tritonclient import grpc

address, model, *texts = sys.argv[1:]
client = grpc.InferenceServerClient(address)
tensor = grpc.InferInput("text", [len(texts)], "BYTES")
tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_))
answer = client.infer(model, [tensor], outputs=[grpc.InferRequestedOutput("label")])
metadata = client.get_model_metadata(model, as_json=True)
told = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready() and client.is_model_ready(model),
    "server": client.get_server_metadata(as_json=True)["name"],
    "inputs": metadata["inputs"],
    "label": [each.decode() for each in answer.as_numpy("label").tolist()],
}
sys.stdout.write(json.dumps(told) + "\n")
