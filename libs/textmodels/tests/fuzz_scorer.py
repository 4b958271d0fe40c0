"""Feeds the C scorer random models, broken ones too, and random texts, under sanitizers.

It compiles the extension once more with the address and undefined-behaviour sanitizers and runs
itself under them: every answer must be that of the twin in Python to the bit, and no byte outside
an array may be touched. `make fuzz` runs it for longer than the tests do.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textmodels.families.tfidf_linear.scorer_python import Scorer as Twin
from textmodels.families.tfidf_linear.tables import Tables

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover", "-g", "-O1", "-Werror")
BUILD = Path(__file__).resolve().parents[1] / "hatch_build.py"

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
def broken_models(draw):
    """Draw tables of which one array has a wrong value or a wrong size."""
    tables, texts = draw(models())
    columns = {name: getattr(tables, name) for name in Tables.__dataclass_fields__}
    name = draw(st.sampled_from([name for name in columns if name != "projection_seed"]))
    array = columns[name].copy()
    if array.size and draw(st.booleans()):
        whole = array.dtype.kind in "ui"
        lowest, highest = (
            (np.iinfo(array.dtype).min, np.iinfo(array.dtype).max) if whole else (0, 0)
        )
        wrong = draw(st.integers(lowest, highest)) if whole else draw(st.floats())
        array.ravel()[draw(st.integers(0, array.size - 1))] = wrong
    else:
        array = np.concatenate([array, array])[: draw(st.integers(0, 2 * len(array)))]
    return Tables(**{**columns, name: array}), texts


def answers(scorer, tables, texts):
    """Return the five arrays that a scorer fills, and the features it counts in each text."""
    n = len(texts)
    arrays = (
        np.zeros((n, tables.labels), np.float32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int32),
        np.zeros(n, np.float32),
        np.zeros((n, 64)),
    )
    scorer.score(texts, *arrays)
    return *arrays, [pair for text in texts for pair in scorer.count(text)]


def fuzz(library, examples):
    """Run both properties on the extension at `library`."""
    loader = ExtensionFileLoader("_scorer", str(library))
    spec = importlib.util.spec_from_loader("_scorer", loader)
    extension = importlib.util.module_from_spec(spec)
    limits = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    @limits
    @given(models())
    def answers_are_those_of_the_twin(model):
        found, expected = (answers(kind(model[0]), *model) for kind in (extension.Scorer, Twin))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)

    @limits
    @given(broken_models())
    def broken_tables_touch_no_byte_outside(model):
        try:
            scorer = extension.Scorer(model[0])
        except (ValueError, IndexError):  # refused; the second by Tables, when switches are missing
            return
        answers(scorer, *model)

    answers_are_those_of_the_twin()
    broken_tables_touch_no_byte_outside()


def fuzz_under_sanitizers(examples):
    """Compile, and run this file in a process that has the sanitizer's runtime in it."""
    spec = importlib.util.spec_from_file_location("hatch_build", BUILD)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / build.LIBRARY.name
        build.compile_scorer(library, *SANITIZERS)
        named = ["gcc", "-print-file-name=libasan.so"]
        runtime = subprocess.run(named, capture_output=True, text=True, check=True).stdout.strip()
        environment = {
            **os.environ,
            "LD_PRELOAD": runtime,
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter itself frees little at its end
            "PYTHONMALLOC": "malloc",  # else texts lie where the sanitizer cannot tell them apart
        }
        command = [sys.executable, __file__, "--library", library, "--examples", str(examples)]
        return subprocess.run(command, env=environment, check=False).returncode


def main():
    """Fuzz the sanitized extension, which the outer process makes and the inner one loads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="of each of two properties")
    parser.add_argument("--library", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.library is None:
        sys.exit(fuzz_under_sanitizers(chosen.examples))
    fuzz(chosen.library, chosen.examples)
    sys.stdout.write(f"{chosen.examples} models and as many broken ones: nothing found\n")


if __name__ == "__main__":
    main()
