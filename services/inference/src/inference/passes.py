"""What is scored in one pass of the engine: a request as it came, or texts of like length.

The engine never waits for company: when it is free, whatever waits is looked at. A pass of padded
texts costs what its longest text does, so the shortest go first, together with the next longer
ones, as long as the pass is within the predictor's size. What has waited too long goes before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, TypeVar

from textmodels.predictions import BatchPredictor, Predictions, Predictor


class Sized(Protocol):
    """Something that waits."""

    @property
    def length(self) -> int:
        """How many units of the engine's work it is, before padding."""
        ...

    @property
    def since(self) -> float:
        """When it came, in seconds."""
        ...


_Sized = TypeVar("_Sized", bound=Sized)


@dataclass(frozen=True)
class Read:
    """A part of a request that is scored as one: what the predictor makes of it."""

    reading: Any
    texts: int
    length: int
    """Units of the engine's work, before padding; 0 where texts are not padded to each other."""


class Passes(Protocol):
    """How one predictor's requests become passes."""

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Split a request into the parts that are scored as one."""
        ...

    def choose(self, waiting: Sequence[_Sized], now: float) -> list[_Sized]:
        """Choose the next pass among the parts that wait, which are some, in order of arrival."""
        ...

    def score(self, readings: Sequence[Any]) -> list[Predictions]:
        """Score the parts of one pass; one answer for each."""
        ...


class WholeRequests:
    """A request at a time, in the order they came: for predictors that gain nothing together."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Return the request as its only part."""
        return [Read(texts, len(texts), 0)]

    def choose(self, waiting: Sequence[_Sized], now: float) -> list[_Sized]:  # noqa: ARG002 - Passes'
        """Choose the first."""
        return [waiting[0]]

    def score(self, readings: Sequence[Any]) -> list[Predictions]:
        """Score it."""
        return [self._predictor.predict(texts) for texts in readings]


class LikeLengths:
    """Texts of any requests, sorted by length, at most `units_together` units with the padding."""

    def __init__(self, predictor: BatchPredictor, longest_wait_seconds: float) -> None:
        self._predictor = predictor
        self._longest_wait_seconds = longest_wait_seconds

    def read(self, texts: Sequence[str]) -> list[Read]:
        """Return each text as a part."""
        readings = [self._predictor.read(text) for text in texts]
        return [Read(reading, 1, len(reading.ids)) for reading in readings]

    def choose(self, waiting: Sequence[_Sized], now: float) -> list[_Sized]:
        """Choose what has waited longest if that is too long, else the shortest; and its like."""
        oldest = min(waiting, key=lambda part: part.since)
        units = self._predictor.units_together
        if now - oldest.since >= self._longest_wait_seconds:
            return _with_shorter(oldest, waiting, units)
        return _shortest(waiting, units)

    def score(self, readings: Sequence[Any]) -> list[Predictions]:
        """Score the texts in one pass."""
        predictions = self._predictor.score(readings)
        return [predictions.row(row) for row in range(len(readings))]


def passes_of(predictor: Predictor, longest_wait_seconds: float) -> Passes:
    """Return how this predictor's requests are scored."""
    if _scores_together(predictor):
        return LikeLengths(predictor, longest_wait_seconds)
    return WholeRequests(predictor)


def _scores_together(predictor: Predictor) -> TypeGuard[BatchPredictor]:
    return hasattr(predictor, "units_together")


def _shortest(waiting: Sequence[_Sized], units: int) -> list[_Sized]:
    chosen: list[_Sized] = []
    for part in sorted(waiting, key=lambda part: (part.length, part.since)):
        if chosen and (len(chosen) + 1) * part.length > units:
            break
        chosen.append(part)
    return chosen


def _with_shorter(first: _Sized, waiting: Sequence[_Sized], units: int) -> list[_Sized]:
    """Fill a pass with what is no longer than its first part: it costs nothing but that pass."""
    room = max(units // max(first.length, 1), 1)
    others = [part for part in waiting if part is not first and part.length <= first.length]
    others.sort(key=lambda part: (-part.length, part.since))
    return [first, *others[: room - 1]]
