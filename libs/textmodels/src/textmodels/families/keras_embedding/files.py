"""Saves and loads the network: weights as safetensors, vocabulary and tokeniser as JSON."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from textmodels.families.keras_embedding.network import FIRST_TERM_ID, Network
from textmodels.families.keras_embedding.predictor import EmbeddingPredictor
from textmodels.manifests import ArtifactError, Manifest
from textmodels.tokens import TOKEN_PATTERN
from textmodels.vocabularies import VOCABULARY_NAME, pack_vocabulary, unpack_vocabulary

WEIGHTS_NAME = "weights.safetensors"
TOKENISER_NAME = "tokeniser.json"
FILE_NAMES = frozenset({WEIGHTS_NAME, TOKENISER_NAME, VOCABULARY_NAME})

_TOKENISER = {"lowercase": True, "token_pattern": TOKEN_PATTERN}


def pack(predictor: EmbeddingPredictor) -> Mapping[str, bytes]:
    """Return the files of a predictor; the same model always gives the same bytes."""
    tokeniser = {**_TOKENISER, "max_length": predictor.max_length}
    return {
        WEIGHTS_NAME: safetensors.save(dict(vars(predictor.network))),
        TOKENISER_NAME: json.dumps(tokeniser, sort_keys=True).encode(),
        VOCABULARY_NAME: pack_vocabulary(predictor.vocabulary),
    }


def unpack(files: Mapping[str, bytes], manifest: Manifest) -> EmbeddingPredictor:
    """Return the predictor; ArtifactError when a file is not what `pack` writes."""
    vocabulary = unpack_vocabulary(files[VOCABULARY_NAME])
    return EmbeddingPredictor(
        network=_unpack_network(files[WEIGHTS_NAME], len(vocabulary), len(manifest.labels)),
        vocabulary=vocabulary,
        max_length=_unpack_max_length(files[TOKENISER_NAME]),
        labels=manifest.labels,
        projection_seed=manifest.projection_seed,
    )


def _unpack_network(raw: bytes, terms: int, labels: int) -> Network:
    try:
        arrays = safetensors.load(raw)
        network = Network(**arrays)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{WEIGHTS_NAME}: not the weights of this family ({error})") from error
    dimension = network.embedding.shape[-1]
    outputs = 1 if labels == 2 else labels
    shapes = {
        "embedding": (FIRST_TERM_ID + terms, dimension),
        "kernel": (dimension, outputs),
        "bias": (outputs,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.float32:
            raise ArtifactError(
                f"{WEIGHTS_NAME}: {name} must be float32 {shape} for {terms} terms and "
                f"{labels} labels, not {arrays[name].dtype} {arrays[name].shape}"
            )
        if not np.isfinite(arrays[name]).all():
            raise ArtifactError(f"{WEIGHTS_NAME}: {name} holds a value that is not finite")
    return network


def _unpack_max_length(raw: bytes) -> int:
    try:
        tokeniser: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{TOKENISER_NAME}: not JSON ({error})") from error
    max_length = tokeniser.pop("max_length", None) if isinstance(tokeniser, dict) else None
    if type(max_length) is not int or max_length < 1:
        raise ArtifactError(f"{TOKENISER_NAME}: max_length must be a whole number above 0")
    if tokeniser != _TOKENISER:
        raise ArtifactError(
            f"{TOKENISER_NAME}: describes another tokeniser than textmodels.tokens: {tokeniser}"
        )
    return max_length
