"""A pretrained BERT encoder, mean-pooled, with a linear head: fitted with scikit-learn, served by
ONNX Runtime.

`training` builds the encoder's graph from published weights (`pretrained`, `graph`), proves that
it computes what `exact` does, and fits the head. `predictor` scores with it; what reads texts is
`wordpiece`. A serving process needs ONNX Runtime and nothing else: no torch, no tokenizers.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textmodels.families.contract import Fitted, Training, engine_needed
from textmodels.families.transformer_encoder.wordpiece import TOKENISER_NAME
from textmodels.manifests import Manifest

if TYPE_CHECKING:
    from textmodels.families.transformer_encoder.predictor import EncoderPredictor

FILE_NAMES = frozenset({"encoder.onnx", "head.safetensors", TOKENISER_NAME})
OPTIONAL_FILE_NAMES: frozenset[str] = frozenset()
PRETRAINED_FILE_NAMES = frozenset({"config.json", "model.safetensors", TOKENISER_NAME})


def fit(training: Training, params: Mapping[str, Any]) -> Fitted:
    """Encode the training texts with the pretrained encoder, and fit the head to them."""
    with engine_needed("onnx"):
        from textmodels.families.transformer_encoder.training import fit_head  # noqa: PLC0415

    return fit_head(training, params)


def pack(predictor: "EncoderPredictor") -> Mapping[str, bytes]:
    """Return the encoder's graph, the head's weights and the tokeniser."""
    from textmodels.families.transformer_encoder.files import pack_encoder  # noqa: PLC0415

    return pack_encoder(predictor)


def unpack(files: Mapping[str, bytes], manifest: Manifest) -> "EncoderPredictor":
    """Return the predictor; ArtifactError naming the file that is wrong, EngineMissing."""
    with engine_needed("onnxruntime"):
        from textmodels.families.transformer_encoder.files import unpack_encoder  # noqa: PLC0415

    return unpack_encoder(files, manifest)
