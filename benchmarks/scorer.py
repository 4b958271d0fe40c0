# ruff: noqa: INP001 - a script, not a package
"""Measures what scoring a text costs: the compiled form of tfidf_linear beside scikit-learn.

The model is the example's, trained on its whole training part; the texts are its pinned test
reviews, cut to 64 words for time and whole for sameness. Both forms are timed in turn in one
process: CPU time, the least of several rounds over the same texts. Writes results/scorer.json
and .md.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from bars import Bar, Report, tell

from textmodels.families import FAMILIES, fit_family
from textmodels.families.tfidf_linear.compiled_predictor import SCORERS, CompiledPredictor
from textmodels.families.tfidf_linear.files import unpack_pipeline
from textmodels.families.tfidf_linear.predictor import TfidfPredictor
from textmodels.families.tfidf_linear.tables import TABLES_NAME, Tables
from textmodels.manifests import Manifest
from training_jobs.check_data import prepare_project
from training_jobs.dataset.prepared import TEST, TRAIN, directory_of, read_set
from training_jobs.dataset.rows import Rows
from training_jobs.dataset.specs import load_spec
from training_jobs.settings import TrainingSettings

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent / "examples" / "sentiment"
WORDS, BATCH = 64, 32


@dataclass(frozen=True)
class Forms:
    """One model in both forms, and the texts of the test set."""

    original: TfidfPredictor
    tables: Tables
    texts: Sequence[str]

    def compiled(self, scorer: Callable[[Tables], Any] = SCORERS[0]) -> CompiledPredictor:
        """Return the compiled form, scored by `scorer`."""
        return CompiledPredictor(self.tables, self.original.labels, {}, scorer)


@cache
def read_reviews() -> tuple[Rows, Rows]:
    """Return the example's training set and its pinned test set."""
    spec, settings = load_spec(PROJECT), TrainingSettings()
    lock = prepare_project(PROJECT, spec, settings)
    directory = directory_of(settings.data, spec.name, spec.version)
    return read_set(directory, lock, TRAIN), read_set(directory, lock, TEST)


def make_forms() -> Forms:
    """Train the example's model, and read both forms from its packed files."""
    train, test = read_reviews()
    fitted = fit_family("tfidf_linear", train.texts, train.labels, {}, 1, tell)
    files = FAMILIES["tfidf_linear"].pack(fitted.predictor)
    manifest = Manifest("tfidf_linear", fitted.labels, {}, 1, {}, {})
    tables = Tables.from_bytes(files[TABLES_NAME], len(fitted.labels), 1)
    return Forms(unpack_pipeline(files, manifest), tables, test.texts)


def time_forms(forms: Forms, count: int, rounds: int) -> dict[str, float]:
    """Return microseconds of CPU per text of 64 words, by way of scoring."""
    long = [text.split() for text in forms.texts]
    texts = [" ".join(words[:WORDS]) for words in long if len(words) >= WORDS][:count]
    singles = [[text] for text in texts]
    batches = [texts[at : at + BATCH] for at in range(0, len(texts) - BATCH + 1, BATCH)]
    scorer, columns = SCORERS[0](forms.tables), one_row(forms.tables.labels)
    projection = np.empty((1, 64), "f2")
    compiled, twin = forms.compiled(), forms.compiled(SCORERS[-1])
    sklearn = forms.original.pipeline.predict_proba
    ways: dict[str, tuple[Callable[[list[str]], Any], list[list[str]], int]] = {
        "scikit-learn, predict_proba": (sklearn, singles[:200], 1),
        f"scikit-learn, predict_proba, {BATCH} at once": (sklearn, batches[:6], BATCH),
        "scikit-learn, predict": (forms.original.predict, singles[:200], 1),
        "scorer": (lambda text: scorer.score(text, (*columns, None)), singles, 1),
        "scorer with projection": (
            lambda text: scorer.score(text, (*columns, projection)),
            singles,
            1,
        ),
        "compiled, predict": (compiled.predict, singles, 1),
        f"compiled, predict, {BATCH} at once": (compiled.predict, batches, BATCH),
        "twin in Python, predict": (twin.predict, singles[:200], 1),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, (score, asked, size) in ways.items():
            best[name] = min(best[name], microseconds(score, asked) / size)
    return best


def microseconds(score: Callable[[list[str]], Any], asked: Sequence[list[str]]) -> float:
    """Return the CPU time of one call, on average over `asked`, once the caches are its own."""
    for texts in asked[:200]:
        score(texts)
    started = time.process_time()
    for texts in asked:
        score(texts)
    return (time.process_time() - started) / len(asked) * 1e6


def one_row(labels: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Return the arrays that one answer goes into."""
    scores, label = np.empty((1, labels), np.float32), np.empty(1, np.int64)
    rest = (np.empty(1, kind) for kind in (np.int32, np.float32, np.bool_))
    return scores, label, *rest


def compare_forms(forms: Forms) -> dict[str, float]:
    """Return how far the compiled answers are from scikit-learn's, over the whole test set."""
    expected, found = forms.original.predict(forms.texts), forms.compiled().predict(forms.texts)
    return {
        "texts": len(forms.texts),
        "flips": int((expected.label_indices != found.label_indices).sum()),
        "difference": float(np.abs(expected.scores - found.scores).max()),
        "projections": int((expected.projection != found.projection).any(axis=1).sum()),
    }


def to_bars(report: Report, times: dict[str, float], sameness: dict[str, float]) -> list[Bar]:
    """Return what is measured against what was promised, then the other ways for information."""
    text = f"a text of {WORDS} words"
    ratio = times["scikit-learn, predict_proba"] / times["scorer with projection"]
    over = f"of {sameness['texts']:.0f} test reviews"
    alone = f"us for {text}: scorer alone"
    projected = times["scorer with projection"]
    bars = [
        report.at_most("scorer-us", alone, 8, times["scorer"]),
        report.at_most("scorer-projection-us", f"{alone}, with the projection", 8, projected),
        report.at_least("ratio", "scikit-learn's predict_proba / that", 100, ratio),
        report.at_most("flips", f"labels that differ {over}", 0, sameness["flips"]),
        report.at_most("difference", f"largest |dp| {over}", 1e-6, sameness["difference"]),
        report.at_most(
            "projections", f"projections {over} that differ", 0, sameness["projections"]
        ),
    ]
    shown = [report.shown(name, f"us for {text}: {name}", value) for name, value in times.items()]
    return bars + shown


def main() -> None:
    """Measure, write, and exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000, help="how many are timed")
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args()
    packages = {name: version(name) for name in ("numpy", "scikit-learn", "scipy")}
    scorer = {"scorer": SCORERS[0].__module__}
    report = Report("scorer", "make bench-scorer", {**scorer, **packages}, time.time())
    forms = make_forms()
    times = time_forms(forms, chosen.texts, chosen.rounds)
    sys.exit(not report.write(to_bars(report, times, compare_forms(forms))))


if __name__ == "__main__":
    main()
