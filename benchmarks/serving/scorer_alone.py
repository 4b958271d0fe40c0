"""The compiled scorer without a server, as `make bench-scorer` measures it more closely."""

from bars import Bar, Report
from run import Run
from scorer import WORDS, make_forms, time_forms

_TEXTS, _ROUNDS = 500, 5


def measure_scorer(report: Report, _run: Run) -> list[Bar]:
    """Time the scorer beside scikit-learn, in this process."""
    times = time_forms(make_forms(), _TEXTS, _ROUNDS)
    scorer, original = times["scorer with projection"], times["scikit-learn, predict_proba"]
    what = f"scorer alone, with the projection, {WORDS} words: "
    return [
        report.at_most("scorer-us", f"{what}CPU us a text", 8, scorer),
        report.at_least("scorer-ratio", f"{what}scikit-learn's CPU / that", 100, original / scorer),
    ]
