import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from textmodels.families import FAMILIES, fit_family
from textmodels.families.keras_embedding.network import Network
from textmodels.families.keras_embedding.predictor import SCORERS, EmbeddingPredictor
from textmodels.manifests import ArtifactError, Manifest

FAMILY = FAMILIES["keras_embedding"]
MANIFEST = Manifest("keras_embedding", ("negative", "positive"), {}, 3, {}, {})


every_scorer = pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.__module__)


def a_predictor(max_length=3, labels=("negative", "positive"), scorer=SCORERS[0], size=1):
    """Ids: 0 padding, 1 unknown, 2 bad, 3 good. The padding's second value is the largest."""
    outputs = 1 if len(labels) == 2 else len(labels)
    network = Network(
        embedding=np.array([[0, 5], [1, 0], [-2, 1], [2, -1]], np.float32),
        kernel=np.full((2, outputs), size, np.float32),
        bias=np.zeros(outputs, np.float32),
    )
    return EmbeddingPredictor(network, {"bad": 0, "good": 1}, max_length, labels, 3, scorer)


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize(
    ("text", "logit", "tokens", "truncated"),
    [
        ("good", 2 + 5, 1, False),
        ("good bad good", 2 + 1, 3, False),
        ("bad bad bad good", -2 + 1, 3, True),
        ("bad bad other", 1 + 1, 3, False),
        ("", 0 + 5, 0, False),
    ],
    ids=["padding counts", "full length", "cut", "unknown", "only padding"],
)
@every_scorer
def test_the_maximum_is_over_exactly_the_ids_keras_would_see(
    text, logit, tokens, truncated, scorer
):
    predictions = a_predictor(scorer=scorer).predict([text])
    assert predictions.scores[0, 1] == pytest.approx(sigmoid(logit))
    assert predictions.tokens[0] == tokens
    assert predictions.truncated[0] == truncated


@every_scorer
def test_very_large_logits_do_not_overflow(scorer):
    for sign in (-1, 1):
        predictor = a_predictor(scorer=scorer, size=sign * 1e6)
        assert predictor.predict(["good"]).scores[0].tolist() == [sign < 0, sign > 0]


def test_the_extension_is_built_here():
    assert [scorer.__module__.rpartition(".")[2] for scorer in SCORERS] == [
        "_network",
        "scorer_numpy",
    ]


WORDS = [
    "good",
    "bad",
    "BAD",
    "\u00e9t\u00e9",
    "\u00c9T\u00c9",
    "\u6620\u753b",
    "other",
    "a",
    "\ud800",
    "x_1",
]


def random_predictor(seed, labels, scorer):
    chance = np.random.default_rng(seed)
    outputs = 1 if len(labels) == 2 else len(labels)
    vocabulary = {"good": 0, "bad": 1, "\u00e9t\u00e9": 2, "\u6620\u753b": 3, "\ud800": 4}
    network = Network(
        *(chance.normal(size=shape).astype(np.float32) for shape in ((7, 24), (24, outputs))),
        chance.normal(size=outputs).astype(np.float32),
    )
    return EmbeddingPredictor(network, vocabulary, 6, labels, 3, scorer)


@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), max_size=5),
    labels=st.sampled_from([("a", "b"), ("a", "b", "c")]),
    seed=st.integers(0, 2**32),
)
def test_c_and_numpy_give_the_same_but_for_the_order_of_sums(texts, labels, seed):
    one, other = (random_predictor(seed, labels, scorer).predict(texts) for scorer in SCORERS)
    assert np.abs(one.scores - other.scores).max(initial=0) <= 1e-6
    assert np.allclose(one.projection, other.projection, rtol=2**-10, atol=2**-12)
    for column in ("label_indices", "tokens", "out_of_vocabulary", "truncated"):
        assert np.array_equal(getattr(one, column), getattr(other, column)), column


@every_scorer
@pytest.mark.parametrize("labels", [("a", "b"), ("a", "b", "c")])
def test_rows_say_what_columns_say(scorer, labels):
    predictor = random_predictor(7, labels, scorer)
    texts = [" ".join(WORDS), "", *WORDS]

    assert predictor.answer(texts) == predictor.predict(texts).answers()


def test_the_weights_kept_are_those_of_the_epoch_best_on_held_back_texts(reviews, small_params):
    """Labels that contradict each other can only be learnt by heart: that helps no other text."""
    texts, labels = reviews(60, ("negative", "positive"))
    labels[30:] = labels[31::-1][:30]
    params = {**small_params["keras_embedding"], "validation_share": 0.5, "epochs": 6}
    full = fit_family("keras_embedding", texts, labels, params, seed=3)
    assert [entry["epoch"] for entry in full.training_log] == [1, 2, 3, 4, 5, 6]
    assert full.training_log[0].keys() == {
        "epoch",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    }
    best = min(full.training_log, key=lambda entry: entry["val_loss"])["epoch"]
    assert best < 6
    stopped = fit_family("keras_embedding", texts, labels, {**params, "epochs": best}, seed=3)
    assert np.array_equal(stopped.predictor.network.kernel, full.predictor.network.kernel)


def test_training_that_diverges_says_so(reviews, small_params):
    texts, labels = reviews(40, ("negative", "positive"))
    params = {**small_params["keras_embedding"], "epochs": 1, "learning_rate": 1e38}
    with pytest.raises(ValueError, match="val_loss became infinite; lower learning_rate"):
        fit_family("keras_embedding", texts, labels, params, seed=3)


def changed_weights(files, **arrays):
    return {**files, "weights.safetensors": save({**load(files["weights.safetensors"]), **arrays})}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"bias": np.zeros(2, np.float32)}, r"bias must be float32 \(1,\)"),
        ({"kernel": np.zeros((2, 1))}, r"kernel must be float32 \(2, 1\)"),
        ({"embedding": np.zeros((9, 2), np.float32)}, r"embedding must be float32 \(4, 2\)"),
        ({"bias": np.array([np.nan], np.float32)}, "bias holds a value that is not finite"),
        ({"other": np.zeros(1)}, "not the weights of this family"),
    ],
)
def test_weights_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(ArtifactError, match=f"weights.safetensors: {message}"):
        FAMILY.unpack(changed_weights(FAMILY.pack(a_predictor()), **arrays), MANIFEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_length": 0}, "max_length must be a whole number above 0"),
        ({"max_length": True}, "max_length must be a whole number above 0"),
        ({"lowercase": False}, "describes another tokeniser"),
        ({"token_pattern": "."}, "describes another tokeniser"),
        ({"stemmer": "porter"}, "describes another tokeniser"),
    ],
)
def test_another_tokeniser_is_refused(change, message):
    files = dict(FAMILY.pack(a_predictor()))
    tokeniser = {**json.loads(files["tokeniser.json"]), **change}
    files["tokeniser.json"] = json.dumps(tokeniser).encode()
    with pytest.raises(ArtifactError, match=f"tokeniser.json: {message}"):
        FAMILY.unpack(files, MANIFEST)


@pytest.mark.parametrize("name", ["weights.safetensors", "tokeniser.json", "vocabulary.json"])
@pytest.mark.parametrize("raw", [b"", b"\x80\x04.", b"[" * 100_000, b"null"])
def test_a_file_of_another_format_is_refused_by_name(name, raw):
    with pytest.raises(ArtifactError, match=f"{name}: "):
        FAMILY.unpack({**FAMILY.pack(a_predictor()), name: raw}, MANIFEST)
