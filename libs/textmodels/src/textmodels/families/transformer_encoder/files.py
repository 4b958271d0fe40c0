"""Saves and loads the model: the encoder's graph as ONNX, the head as safetensors, the tokeniser.

Encoders of different versions are the same file as long as precision and weights are.
"""

from collections.abc import Mapping

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidProtobuf
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoSuchOperator
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from textmodels.families.transformer_encoder.predictor import Encoder, EncoderPredictor, Head
from textmodels.families.transformer_encoder.wordpiece import TOKENISER_NAME, unpack_tokeniser
from textmodels.manifests import ArtifactError, Manifest

ENCODER_NAME = "encoder.onnx"
HEAD_NAME = "head.safetensors"

_REFUSALS = (Fail, InvalidArgument, InvalidProtobuf, NoSuchOperator, ValueError)
# The key under which ONNX names a file for weights that are kept outside the graph.
_OUTSIDE = b"location"


def pack_encoder(predictor: EncoderPredictor) -> Mapping[str, bytes]:
    """Return the files of a predictor; the same model always gives the same bytes."""
    return {
        ENCODER_NAME: predictor.encoder.raw,
        HEAD_NAME: safetensors.save(dict(vars(predictor.head))),
        TOKENISER_NAME: predictor.words.raw,
    }


def unpack_encoder(files: Mapping[str, bytes], manifest: Manifest) -> EncoderPredictor:
    """Return the predictor; ArtifactError when a file is not what `pack_encoder` writes."""
    words = unpack_tokeniser(files[TOKENISER_NAME])
    encoder = _unpack_encoder(files[ENCODER_NAME])
    head = _unpack_head(files[HEAD_NAME], encoder.width, len(manifest.labels))
    return EncoderPredictor(encoder, words, head, manifest.labels, manifest.projection_seed)


def _unpack_encoder(raw: bytes) -> Encoder:
    if _OUTSIDE in raw:
        raise ArtifactError(f"{ENCODER_NAME}: names a file outside the artifact")
    try:
        return Encoder(raw)
    except _REFUSALS as error:
        raise ArtifactError(f"{ENCODER_NAME}: not an encoder of ours ({error})") from error


def _unpack_head(raw: bytes, width: int, labels: int) -> Head:
    try:
        arrays = safetensors.load(raw)
        head = Head(**arrays)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{HEAD_NAME}: not the weights of a head ({error})") from error
    outputs = 1 if labels == 2 else labels
    for name, shape in {"kernel": (width, outputs), "bias": (outputs,)}.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ArtifactError(
                f"{HEAD_NAME}: {name} must be float32 {shape} for {labels} labels, "
                f"not {arrays[name].dtype} {arrays[name].shape}"
            )
        if not np.isfinite(arrays[name]).all():
            raise ArtifactError(f"{HEAD_NAME}: {name} holds a value that is not finite")
    return head
