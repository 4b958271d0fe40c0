import re
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from textmodels.families import FAMILIES, fit_family
from textmodels.families.tfidf_linear.compiled_predictor import SCORERS, CompiledPredictor
from textmodels.families.tfidf_linear.compiling import compile_tables, require_same_answers
from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.families.tfidf_linear.tables import Tables
from textmodels.manifests import ArtifactError, Manifest
from textmodels.verification import HOSTILE_TEXTS, VerificationError

TWO, THREE = ("negative", "positive"), ("negative", "neutral", "positive")
SETTINGS = {
    "as trained by default": ({"sublinear_tf": True}, TWO),
    "three labels": ({"sublinear_tf": True}, THREE),
    "l1": ({"norm": "l1"}, TWO),
    "no norm": ({"norm": None, "sublinear_tf": True}, THREE),
    "no norm, no idf": ({"norm": None, "use_idf": False}, TWO),
    "no idf": ({"use_idf": False, "sublinear_tf": True}, TWO),
    "words only": ({"ngram_range": (1, 1), "norm": "l1", "use_idf": False}, THREE),
    "pairs of words that are no features": ({"max_features": 60}, TWO),
}
# Words of the models, words of no model, and what the rules of a token turn on.
PIECES = [
    *("the", "film", "was", "superb", "dull", "awful", "story", "a", "I", "x1", "__", "film_"),
    *("caf\u00e9", "CAFE\u0301", "stra\u00dfe", "\u0130stanbul", "\u0444\u0438\u043b\u044c\u043c"),
    *(
        "\u6620\u753b",
        "\u0661\u0662",
        "\U0001d4d0\U0001d4d1",
        "\U0001f600",
        "\ud800",
        "\0",
        "\u212a",
    ),
    *("\u03a3\u03a3", "\ufb01lm", "\u2003", "-", "'", ".", "\u00bd", "\u00aa\u00ba"),
]
TEXTS = st.lists(
    st.lists(
        st.tuples(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), st.sampled_from(" -\n")),
        max_size=30,
    ).map(lambda pairs: "".join(part for pair in pairs for part in pair)),
    min_size=1,
    max_size=6,
)
every_scorer = pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.__module__)


def fit_sklearn(reviews, names, **changed):
    texts, labels = reviews(200, names)
    texts += [" ".join(piece for piece in PIECES if len(piece) > 1)] * 3
    labels += [names[0]] * 3
    vectoriser = TfidfVectorizer(**{"ngram_range": (1, 2), "min_df": 2, **changed})
    pipeline = Pipeline([("vectoriser", vectoriser), ("classifier", LogisticRegression(C=8.0))])
    return TfidfPredictor(pipeline.fit(texts, [names.index(label) for label in labels]), names, 3)


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS)
def original(request, reviews):
    changed, names = request.param
    return fit_sklearn(reviews, names, **changed)


@pytest.fixture(scope="module")
def default(reviews):
    return fit_sklearn(reviews, TWO, sublinear_tf=True)


@pytest.fixture(scope="module")
def tables(original):
    return compile_tables(original)


def compiled(predictor, scorer=SCORERS[0]):
    return CompiledPredictor(compile_tables(predictor), predictor.labels, {}, scorer)


def test_the_extension_is_built_here():
    assert [scorer.__module__.rpartition(".")[2] for scorer in SCORERS] == [
        "_scorer",
        "scorer_python",
    ]


def test_answers_are_those_of_scikit_learn(original, tables, unseen):
    require_same_answers(original, tables, [*HOSTILE_TEXTS, *unseen[0]])
    found = CompiledPredictor(tables, original.labels, {}).predict(unseen[0])
    assert np.array_equal(found.projection, original.predict(unseen[0]).projection)


@settings(max_examples=25)
@given(texts=TEXTS)
def test_any_text_is_scored_as_scikit_learn_scores_it(original, tables, texts):
    require_same_answers(original, tables, texts)


@settings(max_examples=25)
@given(texts=TEXTS)
def test_c_and_python_give_the_same_bits(original, tables, texts):
    predictors = [CompiledPredictor(tables, original.labels, {}, scorer) for scorer in SCORERS]
    one, other = (predictor.predict(texts) for predictor in predictors)
    for column, values in vars(one).items():
        assert np.array_equal(values, vars(other)[column]), column


def test_a_file_gives_the_tables_back(original, tables, unseen):
    again = Tables.from_bytes(tables.to_bytes(), len(original.labels), 3)
    assert again.to_bytes() == tables.to_bytes()
    found = CompiledPredictor(again, original.labels, {}).predict(unseen[0])
    assert np.array_equal(found.scores, compiled(original).predict(unseen[0]).scores)


@every_scorer
@settings(max_examples=25)
@given(texts=TEXTS)
def test_rows_say_what_columns_say(scorer, default, texts):
    predictor = compiled(default, scorer)

    assert predictor.answer(texts) == predictor.predict(texts).answers()
    assert predictor.answer([]) == []


@every_scorer
def test_many_threads_share_a_predictor(scorer, default, unseen):
    texts = unseen[0] * 4  # enough that the interpreter's lock is given up
    predictor = compiled(default, scorer)
    expected = predictor.predict(texts).projection
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(predictor.predict(texts).projection))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(np.array_equal(answer, expected) for answer in answers)


def test_what_is_no_text_is_refused_and_leaves_the_scorer_whole(default):
    predictor = compiled(default)
    with pytest.raises(TypeError, match="text 1 is a bytes, not a str"):
        predictor.predict(["film", b"film"])
    assert predictor.predict(["film"]).tokens.tolist() == [1]


def test_arrays_of_another_size_are_refused(default):
    scorer = SCORERS[0](compile_tables(default))
    arrays = [np.empty((1, 2), "f4"), *(np.empty(1, kind) for kind in ("i8", "i4", "f4", "?"))]
    scorer.score(["film"], (*arrays, None))
    with pytest.raises(ValueError, match="array 0 has 8 bytes; 2 texts need 16"):
        scorer.score(["film", "story"], (*arrays, None))


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"analyzer": "char", "ngram_range": [1, 2]}, "no compiled form with analyzer='char'"),
        ({"dtype": "float32"}, "no compiled form with dtype=<class 'numpy.float32'>"),
        ({"ngram_range": [1, 3]}, r"no compiled form with ngram_range=\(1, 3\)"),
    ],
)
def test_what_has_no_compiled_form_is_served_as_it_is_and_says_why(params, reason, reviews):
    lines = []
    fitted = fit_family("tfidf_linear", *reviews(100, TWO), params, 3, lines.append)
    assert FAMILIES["tfidf_linear"].pack(fitted.predictor).keys() == {
        "model.skops",
        "vocabulary.json",
    }
    assert re.search(f"will be served through scikit-learn: there is {reason}", lines[-1])


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("weights", lambda values: values * 1.001),
        ("bias", lambda values: values + 1e-4),
        ("bigram_columns", lambda values: np.roll(values, 1)),
        ("word_columns", lambda values: np.full_like(values, -1)),
    ],
)
def test_tables_that_answer_otherwise_are_refused(array, change, default, unseen):
    tables = compile_tables(default)
    wrong = Tables(**{**columns_of(tables), array: change(getattr(tables, array))})
    with pytest.raises(VerificationError):
        require_same_answers(default, wrong, unseen[0])


WRONG = {
    "word_ends": lambda values: values[::-1].copy(),
    "word_columns": lambda values: values + np.int32(100_000),
    "bigram_words": lambda values: values[1:],
    "bigram_columns": lambda values: values + np.uint32(100_000),
    "weights": lambda values: values[1:],
    "bias": lambda values: values.astype(np.float32),
}


@pytest.mark.parametrize("array", WRONG)
def test_positions_outside_the_tables_are_refused_by_the_file_and_by_the_scorer(array, default):
    tables = compile_tables(default)
    wrong = Tables(**{**columns_of(tables), array: WRONG[array](getattr(tables, array))})
    with pytest.raises(ArtifactError, match=f"scorer.safetensors: {array} "):
        Tables.from_bytes(wrong.to_bytes(), 2, 3)
    with pytest.raises(ValueError, match="must"):
        SCORERS[0](wrong)


@pytest.mark.parametrize(
    ("array", "values", "message"),
    [
        ("word_text", np.uint8(0xFF), "word_text is not UTF-8"),
        ("idf", np.float64(np.nan), "idf holds a value that is not finite"),
        ("switches", np.array([3, 0], np.uint8), "switches"),
        ("bigram_words", np.uint32(2**31), "bigram_words holds a position"),
    ],
)
def test_a_file_that_holds_nonsense_is_refused(array, values, message, default):
    tables = compile_tables(default)
    old = getattr(tables, array)
    new = np.full_like(old, values) if np.ndim(values) == 0 else values
    wrong = Tables(**{**columns_of(tables), array: new})
    with pytest.raises(ArtifactError, match=f"scorer.safetensors: {message}"):
        Tables.from_bytes(wrong.to_bytes(), 2, 3)


def test_a_compiled_form_of_other_labels_is_refused(default):
    files = dict(compiled(default).pack())
    manifest = Manifest("tfidf_linear", ("a", "b", "c"), {}, 3, {}, {})
    files |= {"model.skops": b"", "vocabulary.json": b""}
    with pytest.raises(ArtifactError, match="weights must be float64"):
        FAMILIES["tfidf_linear"].unpack(files, manifest)


def columns_of(tables):
    return {name: getattr(tables, name) for name in Tables.__dataclass_fields__}
