"""Asking running versions about the same texts, in batches over a few connections."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from training_jobs.dataset.rows import Rows
from training_jobs.ports import Answer, PredictorPlace
from training_jobs.refusals import JobRefused

_BATCH = 32
# Enough to keep a predictor busy while an answer is read; more would only fill its queue.
_CONNECTIONS = 2


def sample_texts(rows: Rows, count: int) -> Sequence[str]:
    """Return that many texts of a set, or all; always the same ones, so that two versions are not
    measured on different texts.
    """
    return random.Random(0).sample(rows.texts, min(len(rows), count))  # noqa: S311


def ask_texts(
    places: Mapping[str, PredictorPlace], texts: Sequence[str]
) -> dict[str, list[Answer]]:
    """Return every place's answer to every text; the places are asked at the same time."""
    shares = [range(part, len(texts), _CONNECTIONS) for part in range(_CONNECTIONS)]
    with ThreadPoolExecutor(len(places) * _CONNECTIONS) as threads:
        asked = {
            name: [threads.submit(_ask_share, place, texts, share) for share in shares]
            for name, place in places.items()
        }
        answers = {name: [future.result() for future in held] for name, held in asked.items()}
    return {name: _interleaved(parts, len(texts)) for name, parts in answers.items()}


def label_indices(answers: Sequence[Answer], labels: tuple[str, ...], name: str) -> list[int]:
    """Return the index of each answer's label; JobRefused when one is no label of the data set."""
    unknown = {answer.label for answer in answers} - set(labels)
    if unknown:
        raise JobRefused(
            f"the {name} answers {min(unknown)!r}, which is no label of the pinned test set "
            f"({', '.join(labels)}); it was trained on other labels"
        )
    index = {label: position for position, label in enumerate(labels)}
    return [index[answer.label] for answer in answers]


def _ask_share(place: PredictorPlace, texts: Sequence[str], share: range) -> list[Answer]:
    found: list[Answer] = []
    with closing(place.connect()) as connection:
        for start in range(0, len(share), _BATCH):
            batch = [texts[i] for i in share[start : start + _BATCH]]
            answered = connection.answers(batch)
            if len(answered) != len(batch):
                raise JobRefused(f"{len(batch)} texts were answered with {len(answered)} labels")
            found += answered
    return found


def _interleaved(parts: Sequence[Sequence[Answer]], count: int) -> list[Answer]:
    by_place = {
        place: answer
        for offset, part in enumerate(parts)
        for place, answer in zip(range(offset, count, _CONNECTIONS), part, strict=True)
    }
    return [by_place[place] for place in range(count)]
