"""Whether a version's explanations can be believed, measured on texts of the pinned test set.

Three things: they add up to the score, they are the same when asked again, and the answer needs
the words that they name. The last is ERASER's comprehensiveness (DeYoung et al., ACL 2020) beside
that of as many words drawn at random from the same text: with an explanation that knows nothing
either of the two is as likely to cost more score, so its wins and losses differ by chance alone.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from lifecycle.evidence import Measurement
from lifecycle.explanations import DELETIONS, SUMS, ExplanationSample
from textmodels.tokens import TOKEN_PATTERN
from training_jobs.dataset.rows import Rows
from training_jobs.gate.asking import ask_texts, sample_texts
from training_jobs.ports import Answer, Explained, PredictorPlace

_PLACE = "candidate"
_WORD = re.compile(TOKEN_PATTERN)
# Scores are float32 and come as decimals; what an engine's own arithmetic differs by is under it.
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Deletion:
    """A text without the words that its explanation names, and without as many others."""

    text: str
    named: str
    random: str


def measure_explanations(
    place: PredictorPlace,
    sample: ExplanationSample,
    rows: Rows,
    now: Callable[[], float],
) -> list[Measurement]:
    """Return `explanations` and `deletions`, both with n 0 where the version explains nothing."""
    started_at = now()
    texts = sample_texts(rows, sample.rows)
    with closing(place.connect()) as connection:
        first, again = (connection.explanations(texts) or [] for _ in range(2))
    answers = _ask(place, texts) if first else []
    sums = _count_sums(first, again, answers)
    pairs = zip(texts, first, strict=False)
    deletions = [made for text, why in pairs if (made := delete(text, why, sample.words))]
    drops = list(_drops(place, deletions, dict(zip(texts, answers, strict=False))))
    return [
        Measurement(name, "all", counts["n"], counts, _source(sample), started_at, now())
        for name, counts in ((SUMS, sums), (DELETIONS, _count_drops(drops)))
    ]


def delete(text: str, explanation: Explained, words: int) -> Deletion | None:
    """Delete the `words` that spoke most for the label wherever they stand, and as many others;
    None where the text has none of them.
    """
    named = _named_words(explanation, words)
    places = list(_WORD.finditer(text))
    ours = [place for place in places if place[0].lower() in named]
    if not ours:
        return None
    # Always the same words, so that two versions are not measured by different draws.
    others = random.Random(text).sample(places, len(ours))  # noqa: S311
    return Deletion(text, _without(text, ours), _without(text, others))


def _named_words(explanation: Explained, most: int) -> set[str]:
    """Return the words of the features that speak for the label, the strongest first."""
    found: dict[str, None] = {}
    for feature, added in explanation.features:
        if added > 0:
            found |= dict.fromkeys(_WORD.findall(feature))
    return set(list(found)[:most])


def _without(text: str, places: Sequence[re.Match[str]]) -> str:
    for place in sorted(places, key=lambda place: -place.start()):
        text = text[: place.start()] + text[place.end() :]
    return text


def _count_sums(
    first: Sequence[Explained], again: Sequence[Explained], answers: Sequence[Answer]
) -> dict[str, Any]:
    complete = [
        why.label == answer.label and abs(why.score - answer.confidence) <= _TOLERANCE
        for why, answer in zip(first, answers, strict=True)
    ]
    differing = sum(a != b for a, b in zip(first, again, strict=True))
    return {"n": len(first), "incomplete": complete.count(False), "differing": differing}


def _drops(
    place: PredictorPlace, deletions: Sequence[Deletion], before: dict[str, Answer]
) -> Iterator[tuple[float, float]]:
    """Yield how far the score of each text's label falls without the named and random words."""
    named = _ask(place, [made.named for made in deletions])
    others = _ask(place, [made.random for made in deletions])
    for made, ours, theirs in zip(deletions, named, others, strict=True):
        label, score = before[made.text].label, before[made.text].confidence
        yield score - ours.scores[label], score - theirs.scores[label]


def _count_drops(drops: Sequence[tuple[float, float]]) -> dict[str, Any]:
    n = len(drops)
    return {
        "n": n,
        "wins": sum(named > other for named, other in drops),
        "losses": sum(named < other for named, other in drops),
        "named_drop": sum(named for named, _ in drops) / n if n else 0.0,
        "random_drop": sum(other for _, other in drops) / n if n else 0.0,
    }


def _ask(place: PredictorPlace, texts: Sequence[str]) -> list[Answer]:
    return ask_texts({_PLACE: place}, texts)[_PLACE] if texts else []


def _source(sample: ExplanationSample) -> str:
    return f"{sample.rows} texts of the test set at most, without {sample.words} words; seed 0"
