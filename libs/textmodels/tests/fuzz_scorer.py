"""Feeds what is written in C random models, broken ones too, and random texts, under sanitizers.

`scripts/sanitize.py` compiles the extensions once more with the address and undefined-behaviour
sanitizers and runs this file on them: every answer must be that of the twin in Python (but for
rounding, the network's), and no byte outside an array may be touched. `make fuzz` runs it for
longer than the tests do.
"""

import argparse
import importlib.util
import sys
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textmodels.families.keras_embedding.network import Arrays
from textmodels.families.keras_embedding.scorer_numpy import Scorer as NetworkTwin
from textmodels.families.tfidf_linear.scorer_python import Scorer as Twin
from textmodels.families.tfidf_linear.tables import Tables
from textmodels.languages import FunctionWords
from textmodels.predictions import Predictions
from textmodels.scorers import Columns
from textmodels.text_measures import measure_in_python

WORDS = st.from_regex(r"\A\w{2,9}\Z").map(str.lower).filter(lambda word: " " not in word)
TEXTS = st.lists(st.text(max_size=60), max_size=8)


@st.composite
def models(draw):
    """Draw tables whose positions all exist."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    words = draw(st.lists(WORDS, max_size=12, unique=True))
    spellings = [word.encode() for word in words]
    features, bigrams = draw(st.integers(1, 30)), draw(st.integers(0, 20)) if words else 0
    outputs = draw(st.sampled_from([1, 1, 3, 7]))
    tables = Tables(
        word_text=np.frombuffer(b"".join(spellings), np.uint8),
        word_ends=np.cumsum([len(spelling) for spelling in spellings], dtype=np.uint32),
        word_columns=chance.integers(-1, features, len(words)).astype(np.int32),
        bigram_words=chance.integers(0, max(len(words), 1), (bigrams, 2)).astype(np.uint32),
        bigram_columns=chance.integers(0, features, bigrams).astype(np.uint32),
        idf=chance.random(features) * 9,
        weights=chance.normal(size=(features, outputs)) * 5,
        bias=chance.normal(size=outputs),
        switches=np.array([draw(st.integers(0, 2)), draw(st.integers(0, 1))], np.uint8),
        projection_seed=1,
    )
    shown = words * 3 + [word.upper() for word in words]
    mixed = st.lists(st.sampled_from(shown), max_size=40).map(" ".join) if words else st.just("")
    dense = " ".join(["ab"] * draw(st.integers(0, 60)))  # as many words as a text can hold
    texts = [dense, *draw(TEXTS), *draw(st.lists(mixed, max_size=4))]
    return tables, [*texts, "".join(texts) * draw(st.sampled_from([0, 1, 400]))]


@st.composite
def networks(draw):
    """Draw the arrays of a network that fit together."""
    tables, texts = draw(models())
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, dimension, outputs = len(tables.word_ends) + 2, draw(st.integers(1, 20)), tables.bias.size
    shapes = ((rows, dimension), (dimension, outputs), (outputs,), (dimension, 64))
    drawn = [chance.normal(size=shape).astype(np.float32) for shape in shapes]
    arrays = Arrays(tables.word_text, tables.word_ends, *drawn, draw(st.integers(1, 50)))
    return arrays, texts, 2 if outputs == 1 else outputs


@st.composite
def broken(draw, good):
    """Draw arrays of which one has a wrong value or a wrong size."""
    whole, texts, *labels = draw(good)
    columns = {name: getattr(whole, name) for name in type(whole).__dataclass_fields__}
    name = draw(st.sampled_from([n for n, column in columns.items() if np.ndim(column)]))
    array = columns[name].copy()
    if array.size and draw(st.booleans()):
        integers = array.dtype.kind in "ui"
        lowest, highest = (
            (np.iinfo(array.dtype).min, np.iinfo(array.dtype).max) if integers else (0, 0)
        )
        wrong = draw(st.integers(lowest, highest)) if integers else draw(st.floats())
        with np.errstate(over="ignore"):
            array.ravel()[draw(st.integers(0, array.size - 1))] = wrong
    else:
        array = np.concatenate([array, array])[: draw(st.integers(0, 2 * len(array)))]
    return type(whole)(**{**columns, name: array}), texts, *labels


def answers(scorer, texts, labels):
    """Return the six arrays that a scorer fills."""
    n = len(texts)
    arrays = Columns(
        np.zeros((n, labels), np.float32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int32),
        np.zeros(n, np.float32),
        np.zeros(n, np.bool_),
        np.zeros((n, 64), np.float16),
    )
    scorer.score(texts, arrays)
    return arrays


def load(directory, name):
    """Return the extension that was compiled into a directory."""
    (library,) = directory.glob(f"_{name}.*.so")
    loader = ExtensionFileLoader(f"_{name}", str(library))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(f"_{name}", loader))
    loader.exec_module(module)
    return module


def fuzz(directory, examples):
    """Run every property on the extensions in a directory."""
    limits = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    scorer, network = (load(directory, name).Scorer for name in ("scorer", "network"))
    measure = load(directory, "measures").Measurer(FunctionWords()).measure

    @limits
    @given(models())
    def answers_are_those_of_the_twin(model):
        tables, texts = model
        kinds = (scorer, Twin)
        found, expected = (answers(kind(tables), texts, tables.labels) for kind in kinds)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        counts = [[kind(tables).count(text) for text in texts] for kind in kinds]
        assert counts[0] == counts[1]
        rows = [repr(kind(tables).answer(texts)) for kind in kinds]  # as text, one nan is another
        assert rows[0] == rows[1]

    @limits
    @given(networks())
    def answers_of_the_network_are_those_of_the_twin(model):
        arrays, texts, labels = model
        found, expected = (answers(kind(arrays), texts, labels) for kind in (network, NetworkTwin))
        np.testing.assert_allclose(found[0], expected[0], atol=2e-6)
        for one, other in zip(found[2:5], expected[2:5], strict=True):
            np.testing.assert_array_equal(one, other)
        rows = Predictions(found.label_indices, found.scores, *found[2:]).answers()
        assert repr(network(arrays).answer(texts)) == repr(rows)

    @limits
    @given(broken(models()), broken(networks()))
    def broken_arrays_touch_no_byte_outside(model, weights):
        for kind, (arrays, texts, *labels) in ((scorer, model), (network, weights)):
            try:
                made = kind(arrays)
                answers(made, texts, *(labels or [arrays.labels]))
                made.answer(texts)
            except (ValueError, IndexError):  # refused; the second by Tables, without switches
                continue

    @limits
    @given(TEXTS)
    def measures_are_those_of_the_twin(texts):
        for text in [*texts, "".join(texts) * 40]:
            assert measure(text) == measure_in_python(text)

    answers_are_those_of_the_twin()
    answers_of_the_network_are_those_of_the_twin()
    broken_arrays_touch_no_byte_outside()
    measures_are_those_of_the_twin()


def main():
    """Fuzz the sanitized extensions that `scripts/sanitize.py` has made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="of each of four properties")
    parser.add_argument("--libraries", type=Path, required=True)
    chosen = parser.parse_args()
    fuzz(chosen.libraries, chosen.examples)
    sys.stdout.write(f"{chosen.examples} models and as many broken ones: nothing found\n")


if __name__ == "__main__":
    main()
