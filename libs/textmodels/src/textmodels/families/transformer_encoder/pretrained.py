"""Published weights of a BERT encoder, in the three files of Hugging Face's layout."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from textmodels.families.transformer_encoder.wordpiece import TOKENISER_NAME

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"

Floats = NDArray[np.float32]

# What `graph` and `exact` compute; a model of any other kind would be computed wrongly.
_KIND = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


@dataclass(frozen=True)
class Dense:
    """A layer x @ kernel + bias."""

    kernel: Floats
    bias: Floats


@dataclass(frozen=True)
class Norm:
    """A layer normalisation."""

    gain: Floats
    bias: Floats


@dataclass(frozen=True)
class Layer:
    """One of the encoder's layers."""

    attention: Dense
    """[width, 3 x width]: queries, divided by the square root of a head's width, keys, values."""
    attended: Dense
    attended_norm: Norm
    inner: Dense
    outer: Dense
    outer_norm: Norm


@dataclass(frozen=True)
class Pretrained:
    """An encoder's weights, and its tokeniser's document."""

    words: Floats
    """[vocabulary, width]"""
    positions: Floats
    """[longest input, width], with the embedding of the first segment added."""
    norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float
    tokeniser: Mapping[str, Any]
    digest: str
    """'sha256:<hex>' of the weights' file."""

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Pretrained":
        """Read `config.json`, `model.safetensors` and `tokenizer.json`.

        Raises ValueError when they are no BERT encoder's.
        """
        try:
            config = json.loads(files[CONFIG_NAME])
            tokeniser = json.loads(files[TOKENISER_NAME])
            weights = _Weights(load(files[WEIGHTS_NAME]))
            _require_kind(config)
            return cls(
                words=weights["embeddings.word_embeddings.weight"],
                positions=weights["embeddings.position_embeddings.weight"]
                + weights["embeddings.token_type_embeddings.weight"][0],
                norm=weights.norm("embeddings.LayerNorm"),
                layers=tuple(_layers(weights, config)),
                heads=config["num_attention_heads"],
                epsilon=config["layer_norm_eps"],
                tokeniser=tokeniser,
                digest="sha256:" + hashlib.sha256(files[WEIGHTS_NAME]).hexdigest(),
            )
        except (SafetensorError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"the pretrained files are no BERT encoder's ({error!r})") from error


class _Weights(dict[str, Floats]):
    """The arrays of a weights' file by their names there."""

    def dense(self, *names: str) -> Dense:
        kernels = [self[f"{name}.weight"].T for name in names]
        biases = [self[f"{name}.bias"] for name in names]
        return Dense(np.concatenate(kernels, axis=1), np.concatenate(biases))

    def norm(self, name: str) -> Norm:
        return Norm(self[f"{name}.weight"], self[f"{name}.bias"])


def _require_kind(config: Mapping[str, Any]) -> None:
    for name, value in _KIND.items():
        if config.get(name, value) != value:
            raise ValueError(f"the pretrained model has {name} {config[name]!r}, not {value!r}")


def _layers(weights: _Weights, config: Mapping[str, Any]) -> Iterator[Layer]:
    width = config["hidden_size"]
    scale = np.float32((width // config["num_attention_heads"]) ** -0.5)
    for number in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{number}"
        own = f"{at}.attention.self"
        attention = weights.dense(f"{own}.query", f"{own}.key", f"{own}.value")
        attention.kernel[:, :width] *= scale
        attention.bias[:width] *= scale
        yield Layer(
            attention=attention,
            attended=weights.dense(f"{at}.attention.output.dense"),
            attended_norm=weights.norm(f"{at}.attention.output.LayerNorm"),
            inner=weights.dense(f"{at}.intermediate.dense"),
            outer=weights.dense(f"{at}.output.dense"),
            outer_norm=weights.norm(f"{at}.output.LayerNorm"),
        )
