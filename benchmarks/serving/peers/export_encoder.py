"""Exports the pretrained encoder to ONNX as Optimum does: `python export_encoder.py MODELS`."""

import sys
from pathlib import Path

from optimum.exporters.onnx import main_export

if __name__ == "__main__":
    models = Path(sys.argv[1])
    main_export(
        models / "pretrained",
        models / "onnx",
        task="feature-extraction",
        library_name="transformers",
    )
