"""The encoder family on made-up weights; `test_minilm.py` meets the published ones."""

import json

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from textmodels.families import FAMILIES, Start, fit_from
from textmodels.families.transformer_encoder.exact import embed_exactly
from textmodels.families.transformer_encoder.graph import build_graph
from textmodels.families.transformer_encoder.predictor import Encoder
from textmodels.families.transformer_encoder.pretrained import Pretrained
from textmodels.families.transformer_encoder.wordpiece import pack_tokeniser, unpack_tokeniser
from textmodels.manifests import ArtifactError, Manifest
from textmodels.predictions import cut_by_length
from textmodels.verification import HOSTILE_TEXTS

FAMILY = FAMILIES["transformer_encoder"]
MANIFEST = Manifest("transformer_encoder", ("negative", "positive"), {}, 3, {}, {})


@pytest.fixture(scope="module")
def fit(pretrained, reviews):
    def fit(precision="float32"):
        params = {"precision": precision, "max_length": 64, "C": 1_000.0}
        texts, labels = reviews(300, ("negative", "positive"))
        return fit_from(Start("transformer_encoder", pretrained), texts, labels, params, 3)

    return fit


@pytest.fixture(scope="module")
def float32(fit):
    return fit()


@pytest.fixture(scope="module")
def int8(fit):
    return fit("int8")


@pytest.fixture(scope="module")
def words(pretrained):
    return unpack_tokeniser(pack_tokeniser(json.loads(pretrained["tokenizer.json"]), 12))


def test_the_graph_computes_what_the_definition_says(pretrained):
    weights = Pretrained.from_files(pretrained)
    encoder = Encoder(build_graph(weights, "float32"))
    rows = [[2, 5, 3], [2, *range(4, 30), 3], [2, 3]]

    together = encoder.embed(rows)

    exact = [embed_exactly(weights, ids) for ids in rows]
    assert np.abs(together - exact).max() < 1e-6


def test_an_int8_version_agrees_mostly_and_takes_a_file_of_its_own(float32, int8, unseen):
    found, exact = (fitted.predictor.predict(unseen[0]) for fitted in (int8, float32))
    assert (found.label_indices == exact.label_indices).mean() > 0.9
    assert int8.preprocessing["precision"] == int8.params["precision"] == "int8"
    packed, whole = (FAMILY.pack(fitted.predictor) for fitted in (int8, float32))
    assert packed["encoder.onnx"] != whole["encoder.onnx"]


def test_in_int8_no_answer_depends_on_the_texts_beside_it(int8, unseen):
    texts, _ = unseen
    together = int8.predictor.predict(texts).scores
    alone = np.vstack([int8.predictor.predict([text]).scores for text in texts])
    assert int8.predictor.units_together == 1
    assert np.array_equal(together, alone)


def test_a_text_is_cut_at_the_limit_and_says_so(float32):
    found = float32.predictor.predict(["the film " * 31, "the film " * 32])
    assert found.tokens.tolist() == [62, 62]
    assert found.truncated.tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The FILM", ["the", "film"]),
        ("abcb", ["ab", "##c", "##b"]),
        ("abx film", ["[UNK]", "film"]),
        ("f\u0131lm", ["[UNK]"]),
        ("f\u00eclm, th\u00e9!", ["film", ",", "the", "!"]),
        ("film\u4e00film\u200b\x00", ["film", "[UNK]", "film"]),
        ("[PAD] a [SEP]", ["[UNK]", "[UNK]", "[UNK]", "a", "[UNK]", "[UNK]", "[UNK]"]),
        ("a" + "b" * 99, ["ab"] + ["##b"] * 98),
        ("a" + "b" * 100, ["[UNK]"]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_text_is_read_as_berts_uncased_models_do(pretrained, text, pieces):
    document = json.loads(pretrained["tokenizer.json"])
    words = unpack_tokeniser(pack_tokeniser(document, 64 if len(pieces) < 60 else 128))
    ids = [words.vocabulary[piece] for piece in ("[CLS]", *pieces, "[SEP]")]
    assert list(words.read(text).ids) == ids


@given(st.text())
def test_any_text_is_read_within_the_limit_and_never_as_marks(words, text):
    reading = words.read(text)
    inside = reading.ids[1:-1]
    marks = {words.vocabulary[name] for name in ("[PAD]", "[CLS]", "[SEP]")}
    assert len(reading.ids) <= 12
    assert marks.isdisjoint(inside)


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 600))
def test_texts_are_cut_into_passes_that_hold_each_once(lengths, units):
    passes = cut_by_length(lengths, units)
    assert sorted(row for rows in passes for row in rows) == list(range(len(lengths)))
    for rows in passes:
        longest = max(lengths[row] for row in rows)
        assert len(rows) == 1 or len(rows) * longest <= units


def test_every_hostile_text_is_scored(int8):
    assert np.isfinite(int8.predictor.predict(HOSTILE_TEXTS).scores).all()


def _other_tokeniser(files, **changes):
    document = json.loads(files["tokenizer.json"])
    return json.dumps({**document, **changes}).encode()


def _with_outside_weights(files):
    model = onnx.load_model_from_string(files["encoder.onnx"])
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="/etc/passwd")
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("encoder.onnx", lambda _: b"no graph", "encoder.onnx: not an encoder of ours"),
        ("encoder.onnx", _with_outside_weights, "encoder.onnx: names a file outside"),
        ("head.safetensors", lambda _: b"{}", "head.safetensors: not the weights of a head"),
        (
            "head.safetensors",
            lambda files: save({**load(files["head.safetensors"]), "bias": np.zeros(2)}),
            "head.safetensors: bias must be float32",
        ),
        ("tokenizer.json", lambda _: b"[]", "tokenizer.json: not a tokeniser's file"),
        (
            "tokenizer.json",
            lambda files: _other_tokeniser(files, normalizer={"type": "NFC"}),
            "tokenizer.json: describes another tokeniser",
        ),
        (
            "tokenizer.json",
            lambda files: _other_tokeniser(files, truncation={"max_length": 2}),
            "tokenizer.json: max_length must be",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_not_ours_is_refused_by_name(float32, name, spoil, message):
    files = dict(FAMILY.pack(float32.predictor))
    with pytest.raises(ArtifactError, match=message):
        FAMILY.unpack({**files, name: spoil(files)}, MANIFEST)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"model_type": "roberta"}', "model_type 'roberta', not 'bert'"),
        ("model.safetensors", save({}), "no BERT encoder's"),
    ],
)
def test_a_pretrained_model_of_another_kind_is_refused(pretrained, name, content, message):
    files = {**pretrained, name: content}
    with pytest.raises(ValueError, match=message):
        fit_from(Start("transformer_encoder", files), ["a", "b"], ["x", "y"], {}, 1)
