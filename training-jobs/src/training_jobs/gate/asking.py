"""Asking running versions for the labels of the same rows, in batches over a few connections."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from training_jobs.dataset.rows import Rows
from training_jobs.ports import PredictorPlace
from training_jobs.refusals import JobRefused

_BATCH = 32
# Enough to keep a predictor busy while an answer is read; more would only fill its queue.
_CONNECTIONS = 2


def ask_labels(
    places: Mapping[str, PredictorPlace], rows: Rows, labels: tuple[str, ...]
) -> dict[str, list[int]]:
    """Return every place's label index for every row; the places are asked at the same time.

    Raises JobRefused when an answer is no label of the data set.
    """
    shares = [range(part, len(rows), _CONNECTIONS) for part in range(_CONNECTIONS)]
    with ThreadPoolExecutor(len(places) * _CONNECTIONS) as threads:
        asked = {
            name: [threads.submit(_ask_share, place, rows, share) for share in shares]
            for name, place in places.items()
        }
        answers = {name: [future.result() for future in held] for name, held in asked.items()}
    return {
        name: _indices(_interleaved(parts, len(rows)), labels, name)
        for name, parts in answers.items()
    }


def _ask_share(place: PredictorPlace, rows: Rows, share: range) -> list[str]:
    found: list[str] = []
    with closing(place.connect()) as connection:
        for start in range(0, len(share), _BATCH):
            texts = [rows.texts[i] for i in share[start : start + _BATCH]]
            answered = connection.labels(texts)
            if len(answered) != len(texts):
                raise JobRefused(f"{len(texts)} texts were answered with {len(answered)} labels")
            found += answered
    return found


def _interleaved(parts: Sequence[Sequence[str]], count: int) -> list[str]:
    joined = [""] * count
    for offset, part in enumerate(parts):
        joined[offset::_CONNECTIONS] = part
    return joined


def _indices(answers: Sequence[str], labels: tuple[str, ...], name: str) -> list[int]:
    unknown = set(answers) - set(labels)
    if unknown:
        raise JobRefused(
            f"the {name} answers {min(unknown)!r}, which is no label of the pinned test set "
            f"({', '.join(labels)}); it was trained on other labels"
        )
    index = {label: position for position, label in enumerate(labels)}
    return [index[answer] for answer in answers]
