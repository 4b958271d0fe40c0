"""The pretrained encoder in ONNX Runtime, exported as Optimum does, text by text, with the head."""

import json

import numpy as np
import onnxruntime
from safetensors.numpy import load_file
from tokenizers import Tokenizer


def load(models):
    """Return a function that scores one text."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        models / "onnx" / "model.onnx", options, ["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(models / "pretrained" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(json.loads((models / "encoder.json").read_text())["max_length"])
    head = load_file(models / "head.safetensors")
    names = [each.name for each in session.get_inputs()]

    def score(text):
        read = tokenizer.encode(text)
        columns = {
            "input_ids": read.ids,
            "attention_mask": read.attention_mask,
            "token_type_ids": read.type_ids,
        }
        inputs = {name: np.array([columns[name]], np.int64) for name in names}
        pooled = session.run(None, inputs)[0][0].mean(axis=0)
        logit = pooled / np.linalg.norm(pooled) @ head["kernel"] + head["bias"]
        return float(1 / (1 + np.exp(-logit[0])))

    return score
