"""MiniLM in every form that is measured: our artifacts, the published files, Optimum's export."""

import json
import shutil
import subprocess
from pathlib import Path

from encoder_artifact import PROJECT, make_artifact
from environments import PEERS, python_of
from scorer import read_reviews
from subject import COUNT, Subject, new, subject

from training_jobs.plans import load_plan
from training_jobs.settings import TrainingSettings
from training_jobs.train import read_pretrained

_MOST_TOKENS = 256
"""Where MiniLM's authors cut a text, and everyone here."""


def write_minilm(home: Path) -> Subject:
    """Make the example's MiniLM in both precisions, and lay its published files out for others.

    One head for all: that of the float32 artifact.
    """
    made = home / "onnx"
    if not (made / "model.onnx").exists():
        for precision in ("float32", "int8"):
            make_artifact(new(home / f"minilm_{precision}"), precision)
        shutil.copy(home / "minilm_float32" / "head.safetensors", home)
        _lay_out_pretrained(new(home / "pretrained"))
        (home / "encoder.json").write_text(json.dumps({"max_length": _MOST_TOKENS}))
        command = [str(python_of("infinity")), "export_encoder.py", str(home)]
        subprocess.run(command, cwd=PEERS, check=True, capture_output=True)
    _, test = read_reviews()
    return subject(home, "minilm_float32", test.texts[:COUNT])


def _lay_out_pretrained(directory: Path) -> None:
    directory.mkdir()
    recipe = load_plan(PROJECT).recipe("minilm")
    for name, raw in read_pretrained(recipe, PROJECT, TrainingSettings()).items():
        (directory / name).write_bytes(raw)
    asked = {"tokenizer_class": "BertTokenizer", "model_max_length": _MOST_TOKENS}
    (directory / "tokenizer_config.json").write_text(json.dumps(asked | {"do_lower_case": True}))
