"""Small made-up reviews, and one model of each family fitted on them for the whole session."""

import json
import random

import hypothesis
import numpy as np
import pytest
from safetensors.numpy import save

from textmodels.families import Start, fit_from

# How long one example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

WORDS = {
    "negative": "awful boring clumsy dreadful dull flat lifeless poor tedious weak",
    "neutral": "average decent fair mixed modest ordinary passable plain typical usual",
    "positive": "brilliant charming clever delightful fresh funny gripping superb tender warm",
}
MARKS = ("[CLS]", "[SEP]")
FILLERS = "the a film story plot actor scene and with of in it was is very this that has one"
SMALL_PARAMS = {
    "keras_embedding": {"epochs": 2, "embedding_dim": 8, "max_length": 30, "learning_rate": 0.1},
    "tfidf_linear": {"max_iter": 200},
    "transformer_encoder": {"max_length": 64, "C": 1_000.0},
}


def write_reviews(count: int, names: tuple[str, ...], seed: int = 1) -> tuple[list[str], list[str]]:
    chance = random.Random(seed)  # noqa: S311 - made-up text
    labels = [names[row % len(names)] for row in range(count)]
    texts = []
    for label in labels:
        words = chance.choices(FILLERS.split(), k=chance.randint(5, 50))
        words += chance.choices(WORDS[label].split(), k=5)
        chance.shuffle(words)
        texts.append(" ".join(words).capitalize() + ".")
    return texts, labels


def write_encoder(width: int = 32, heads: int = 4, layers: int = 2) -> dict[str, bytes]:
    """Return the files of a BERT encoder as small as can be, with made-up weights."""
    words = [*FILLERS.split(), *" ".join(WORDS.values()).split(), *".!,?", "a", "##b", "##c", "ab"]
    pieces = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]))
    config = {"hidden_size": width, "num_attention_heads": heads, "num_hidden_layers": layers}
    config |= {"layer_norm_eps": 1e-12, "model_type": "bert", "hidden_act": "gelu"}
    return {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": save(_made_up_weights(width, layers, len(pieces))),
        "tokenizer.json": json.dumps(_tokeniser(pieces)).encode(),
    }


def _made_up_weights(width: int, layers: int, pieces: int) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(7)
    shapes = {
        "embeddings.word_embeddings.weight": (pieces, width),
        "embeddings.position_embeddings.weight": (64, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for at in (f"encoder.layer.{number}" for number in range(layers)):
        for name in ("query", "key", "value"):
            shapes[f"{at}.attention.self.{name}.weight"] = (width, width)
        shapes[f"{at}.attention.output.dense.weight"] = (width, width)
        shapes[f"{at}.intermediate.dense.weight"] = (4 * width, width)
        shapes[f"{at}.output.dense.weight"] = (width, 4 * width)
        for name in ("attention.output", "output"):
            shapes[f"{at}.{name}.LayerNorm.weight"] = (width,)
            shapes[f"{at}.{name}.LayerNorm.bias"] = (width,)
    for name, shape in list(shapes.items()):
        if len(shape) == 2 and "embeddings" not in name:
            shapes[name.replace("weight", "bias")] = shape[:1]
    # What a word is must outweigh where it stands, or the head would have little to learn from.
    scales = {name: 1.0 if "word_embeddings" in name else 0.1 for name in shapes}
    return {
        name: np.float32(chance.normal(size=shape) * scales[name] + name.endswith("Norm.weight"))
        for name, shape in shapes.items()
    }


def _tokeniser(pieces: list[str]) -> dict[str, object]:
    marks = {name: {"id": name, "ids": [pieces.index(name)], "tokens": [name]} for name in MARKS}
    first, last = ({"SpecialToken": {"id": name, "type_id": 0}} for name in MARKS)
    single = [first, {"Sequence": {"id": "A", "type_id": 0}}, last]
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": marks,
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: number for number, piece in enumerate(pieces)},
        },
    }


@pytest.fixture(scope="session")
def pretrained():
    return write_encoder()


@pytest.fixture(scope="session")
def reviews():
    return write_reviews


@pytest.fixture(scope="session")
def small_params():
    return SMALL_PARAMS


@pytest.fixture(scope="session", params=["tfidf_linear", "keras_embedding", "transformer_encoder"])
def fitted(request, pretrained):
    texts, labels = write_reviews(300, ("negative", "positive"))
    params = SMALL_PARAMS[request.param]
    return fit_from(Start(request.param, pretrained), texts, labels, params, seed=3)


@pytest.fixture(scope="session")
def unseen():
    return write_reviews(60, ("negative", "positive"), seed=2)
