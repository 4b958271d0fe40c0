"""The policy's behavioural tests asked of the Candidate: how many were tried, how many failed.

Each test is a Slice of its kind's Measurement, and `all` is all of them. An edit that leaves a
text as it is says nothing and is not counted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lifecycle.behaviour import Behaviour, Direction, Edited
from lifecycle.evidence import Measurement
from training_jobs.dataset.rows import Rows
from training_jobs.gate.asking import ask_texts, sample_texts
from training_jobs.gate.edits import edit_text
from training_jobs.ports import Answer, PredictorPlace
from training_jobs.refusals import JobRefused

_PLACE = "candidate"


@dataclass(frozen=True)
class _Pair:
    test: str
    before: Answer
    after: Answer


def measure_behaviour(
    place: PredictorPlace,
    behaviour: Behaviour,
    rows: Rows,
    labels: tuple[str, ...],
    now: Callable[[], float],
) -> list[Measurement]:
    """Ask everything; JobRefused when a test is about a label that the data set does not have."""
    _refuse_unknown(behaviour, labels)
    started_at = now()
    outcomes = {
        "minimum_functionality": _functionality(place, behaviour),
        "invariance": _invariance(place, behaviour, rows),
        "direction": _direction(place, behaviour, rows),
    }
    span = (started_at, now())
    return [
        measurement
        for kind, told in outcomes.items()
        for measurement in _measurements(kind, told, span)
    ]


def _refuse_unknown(behaviour: Behaviour, labels: tuple[str, ...]) -> None:
    named = {case.label for case in behaviour.cases} | {test.label for test in behaviour.direction}
    for label in sorted(named - set(labels)):
        raise JobRefused(
            f"policy.behaviour is about label {label!r}; the data set has {', '.join(labels)}"
        )


def _functionality(place: PredictorPlace, behaviour: Behaviour) -> list[tuple[str, bool]]:
    answers = _ask(place, [case.text for case in behaviour.cases])
    return [
        (case.test, answer.label != case.label)
        for case, answer in zip(behaviour.cases, answers, strict=True)
    ]


def _invariance(place: PredictorPlace, behaviour: Behaviour, rows: Rows) -> list[tuple[str, bool]]:
    edits = ((test.name, test.edit) for test in behaviour.invariance)
    pairs = _pairs(place, sample_texts(rows, behaviour.rows), edits)
    return [(pair.test, pair.before.label != pair.after.label) for pair in pairs]


def _direction(place: PredictorPlace, behaviour: Behaviour, rows: Rows) -> list[tuple[str, bool]]:
    tests = {test.name: test for test in behaviour.direction}
    edits = ((test.name, test.edit) for test in behaviour.direction)
    pairs = _pairs(place, sample_texts(rows, behaviour.rows), edits)
    return [(pair.test, _moved_against(tests[pair.test], pair)) for pair in pairs]


def _moved_against(test: Direction, pair: _Pair) -> bool:
    moved = pair.after.scores[test.label] - pair.before.scores[test.label]
    return (moved if test.change == "down" else -moved) > test.tolerance


def _pairs(
    place: PredictorPlace, texts: Sequence[str], edits: Iterable[tuple[str, Edited]]
) -> list[_Pair]:
    changed = [
        (name, text, edited)
        for name, edit in edits
        for text in texts
        if (edited := edit_text(text, edit)) != text
    ]
    before = _by_text(place, [text for _, text, _ in changed])
    after = _by_text(place, [text for _, _, text in changed])
    return [_Pair(name, before[text], after[edited]) for name, text, edited in changed]


def _by_text(place: PredictorPlace, texts: Sequence[str]) -> Mapping[str, Answer]:
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, _ask(place, distinct), strict=True))


def _ask(place: PredictorPlace, texts: Sequence[str]) -> list[Answer]:
    return ask_texts({_PLACE: place}, texts)[_PLACE] if texts else []


def _measurements(
    kind: str, outcomes: Sequence[tuple[str, bool]], span: tuple[float, float]
) -> list[Measurement]:
    by_slice: dict[str, list[bool]] = {}
    for test, failed in outcomes:
        by_slice.setdefault("all", []).append(failed)
        by_slice.setdefault(test, []).append(failed)
    return [
        Measurement(
            kind, name, len(told), {"n": len(told), "failed": sum(told)}, "gate policy", *span
        )
        for name, told in by_slice.items()
    ]
