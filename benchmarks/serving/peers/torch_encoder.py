"""The pretrained encoder in torch and transformers, mean-pooled, with the trained head."""

import json

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

torch.set_num_threads(1)


class TorchEncoder:
    """Scores texts in one padded batch; {models}/pretrained and {models}/head.safetensors."""

    def __init__(self, models):
        self.tokenizer = AutoTokenizer.from_pretrained(models / "pretrained")
        self.model = AutoModel.from_pretrained(models / "pretrained", dtype=torch.float32).eval()
        self.head = load_file(models / "head.safetensors")
        self.length = json.loads((models / "encoder.json").read_text())["max_length"]

    def predict(self, texts):
        """Return the scores of the last label."""
        asked = {"padding": True, "truncation": True, "max_length": self.length}
        with torch.inference_mode():
            inputs = self.tokenizer(texts, return_tensors="pt", **asked)
            rows = self.model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1).to(rows.dtype)
            pooled = (rows * mask).sum(1) / mask.sum(1)
            unit = torch.nn.functional.normalize(pooled, dim=1)
            logits = unit @ self.head["kernel"] + self.head["bias"]
            return torch.sigmoid(logits)[:, 0].tolist()
