"""A DriftFinding in words: which signal of which Slice moved where, by how much, since when.

It is a ticket for a person, not a verdict on the model: drift alone harms nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import expm1

from drift_monitor.detectors import Sample
from drift_monitor.monitors import Reading
from drift_monitor.sketches import MEASURES, Sketcher
from stats.two_sample import mmd2


@dataclass(frozen=True)
class Finding:
    """One drift of one signal; `confirmed_at` moves on while it lasts."""

    id: str
    model: str
    digest: str
    slice: str
    detector: str
    direction: str
    size: str
    since: float
    found_at: float
    confirmed_at: float
    text: str


@dataclass(frozen=True)
class Shift:
    """Where a signal went and how far, in words."""

    direction: str
    size: str


# What a measure is called, how its mean is undone and how it is written.
_MEASURES: dict[str, tuple[str, Callable[[float], float], str]] = {
    "confidence": ("confidence", float, "{:.3f}"),
    "length": ("typical length", expm1, "{:.0f} words"),
    "unknown_words": ("share of unknown words", float, "{:.1%}"),
    "non_letter": ("share of non-letters", float, "{:.1%}"),
}


def describe_shift(detector: str, sketcher: Sketcher, window: Sample, reference: Sample) -> Shift:
    """Say in words how a Window's signal differs from its Reference."""
    if detector == "embedding":
        where = sketcher.part("features")
        mine, theirs = window.mean[where], reference.mean[where]
        distance = float(mmd2(mine, theirs))
        expected = (1 - float(theirs @ theirs)) * (1 / window.n + 1 / reference.n)
        return Shift("away", f"MMD² {distance:.4f}, {distance / expected:.1f} times chance")
    if detector == "label":
        return _label_shift(sketcher, window, reference)
    return _measure_shift(detector, sketcher, window, reference)


def sentence(slice_name: str, detector: str, shift: Shift, reading: Reading, cusum: float) -> str:
    """Write the finding as one sentence with its numbers."""
    return (
        f"{detector} on slice {slice_name} is {shift.direction}: {shift.size} "
        f"(n {reading.n}, p {reading.p_value:.1e}, CUSUM {cusum:.1f})"
    )


def _measure_shift(detector: str, sketcher: Sketcher, window: Sample, reference: Sample) -> Shift:
    name, undo, style = _MEASURES[detector]
    column = sketcher.part("means").start + MEASURES.index(detector)
    mine, theirs = undo(float(window.mean[column])), undo(float(reference.mean[column]))
    direction = "up" if mine > theirs else "down"
    return Shift(direction, f"{name} {style.format(mine)}, was {style.format(theirs)}")


def _label_shift(sketcher: Sketcher, window: Sample, reference: Sample) -> Shift:
    where = sketcher.part("label")
    mine, theirs = window.mean[where], reference.mean[where]
    risen = int((mine - theirs).argmax())
    label = sketcher.labels[risen]
    size = f"share of {label} {mine[risen]:.1%}, was {theirs[risen]:.1%}"
    return Shift(f"towards {label}", size)
