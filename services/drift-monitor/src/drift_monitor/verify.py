"""Whether the monitor keeps its promises on a model's own rows: a quiet month and six drifts.

Quiet hours must not raise more findings than the budget, as far as a month can tell; each drift
must be found within a day.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift_monitor.detectors import most_rows
from drift_monitor.ports import Store
from drift_monitor.quiet import USUAL_EFFORT, Effort
from drift_monitor.replay import HOUR, Halves, Replay, Texts, split
from stats.page_budget import PERIOD_SECONDS
from stats.rates import binomial_bounds

MONTH_HOURS = 720
_DAY_HOURS = 24
_BEFORE_HOURS = 6
_ALPHA = 0.05


@dataclass(frozen=True)
class Verification:
    """What a replay showed: false findings in twelve weeks with their bounds, and the hours until
    each drift was found, None where it was not.
    """

    budget: float
    hours: int
    rows_an_hour: int
    signals: int
    false_findings: int
    twelve_weeks: tuple[float, float]
    found_after_hours: Mapping[str, int | None]

    @property
    def passed(self) -> bool:
        """Whether the budget can have been kept, and every drift was found."""
        return self.twelve_weeks[0] <= self.budget and None not in self.found_after_hours.values()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True)
class Trial:
    """How long it is quiet, what is promised, and how well quiet traffic is known."""

    hours: int = MONTH_HOURS
    budget: float = 1.0
    effort: Effort = USUAL_EFFORT


def verify(store: Store, raw: bytes, labels: tuple[str, ...], trial: Trial) -> Verification:
    """Replay a Reference's rows; `store` is empty. Raises ReferenceRefused."""
    rng = np.random.default_rng(len(raw))
    halves = split(raw, labels, rng)
    replay = Replay(store, halves, trial.budget, trial.effort)
    size = most_rows(halves.rows)
    false = sum(len(replay.hour(_draw(halves, size, rng))) for _ in range(trial.hours))
    signals = replay.signals()
    found = {}
    for name, change in DRIFTS.items():
        replay.begin_anew(name)
        found[name] = _hours_until_found(replay, halves, change, size, rng)
    low, high = binomial_bounds(false, trial.hours * signals, _ALPHA)
    scale = signals * PERIOD_SECONDS / HOUR
    return Verification(
        budget=trial.budget,
        hours=trial.hours,
        rows_an_hour=size,
        signals=signals,
        false_findings=false,
        twelve_weeks=(low * scale, high * scale),
        found_after_hours=found,
    )


Change = Callable[[Texts, Halves, np.random.Generator], Texts]


def _hours_until_found(
    replay: Replay, halves: Halves, change: Change, size: int, rng: np.random.Generator
) -> int | None:
    for _ in range(_BEFORE_HOURS):
        replay.hour(_draw(halves, size, rng))
    for hour in range(1, _DAY_HOURS + 1):
        if replay.hour(change(_draw(halves, size, rng), halves, rng)):
            return hour
    return None


def _draw(halves: Halves, size: int, rng: np.random.Generator) -> Texts:
    return _take(halves, rng.integers(0, halves.rows, size), rng)


def _take(halves: Halves, chosen: NDArray[np.integer], rng: np.random.Generator) -> Texts:
    columns = {name: values[chosen] for name, values in halves.traffic.items()}
    return Texts(columns, [rng.bytes(16).hex() for _ in chosen])


def _replaced(texts: Texts, other: Texts) -> Texts:
    """Put other rows in the place of the first ones."""
    rows = len(other.fingerprint)
    columns = {
        name: np.concatenate([other.columns[name], values[rows:]])
        for name, values in texts.columns.items()
    }
    return Texts(columns, other.fingerprint + texts.fingerprint[rows:])


def _more_of(share: float, ranked_by: Callable[[Halves], NDArray[Any]], top: float) -> Change:
    """Draw a share of the rows from those that rank highest, a part `top` of all."""

    def change(texts: Texts, halves: Halves, rng: np.random.Generator) -> Texts:
        rank = np.argsort(-ranked_by(halves), kind="stable")
        highest = rank[: max(1, int(top * halves.rows))]
        count = int(share * len(texts.fingerprint))
        return _replaced(texts, _take(halves, rng.choice(highest, count), rng))

    return change


def _other_topic(texts: Texts, _halves: Halves, _rng: np.random.Generator) -> Texts:
    """Turn a fifth of the projections into directions that no text has."""
    projection = texts.columns["projection"].copy()
    some = len(projection) // 5
    projection[:some] *= -1
    return texts.changed(projection=projection)


def _one_text(texts: Texts, _halves: Halves, _rng: np.random.Generator) -> Texts:
    """Send one text again and again, a tenth of all."""
    some = len(texts.fingerprint) // 10
    return Texts(texts.columns, ["0f" * 16] * some + texts.fingerprint[some:])


def _is_last_label(halves: Halves) -> NDArray[Any]:
    last = len(halves.labels) - 1
    return np.asarray(halves.traffic["label_indices"] == last, dtype=np.float64)


DRIFTS: Mapping[str, Change] = {
    "a fifth more of the last label": _more_of(0.2, _is_last_label, 0.2),
    "a third are short": _more_of(0.33, lambda halves: -halves.traffic["words"], 0.1),
    "a third are unsure": _more_of(0.33, lambda h: -h.traffic["scores"].max(axis=1), 0.1),
    "a third with unknown words": _more_of(0.33, lambda h: h.traffic["oov"], 0.1),
    "a fifth of another topic": _other_topic,
    "a tenth is one text": _one_text,
}
