"""A DriftFinding in words: which signal of which Slice moved where, by how much, since when.

Whether it pages somebody is decided in severity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import expm1

import numpy as np

from drift_monitor.detectors import Sample, repetition
from drift_monitor.monitors import Monitor
from drift_monitor.signals import detector_of, is_against_accepted
from drift_monitor.sketches import FLAGS, MEASURES, Sketcher
from stats.two_sample import mmd2


@dataclass(frozen=True)
class Finding:
    """One drift of one signal; `confirmed_at` moves on while it lasts.

    `severity` is page or ticket, `verdict` FAIL or INCONCLUSIVE, `because` why.
    """

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
    severity: str
    verdict: str
    because: str
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
    if detector == "repeated":
        return Shift("up", f"a text comes {repetition(sketcher, window):.1f} times on average")
    if detector in FLAGS:
        return _flag_shift(detector, sketcher, window, reference)
    if detector in MEASURES:
        return _measure_shift(detector, sketcher, window, reference)
    if detector == "scores":
        return _score_shift(sketcher, window, reference)
    names = sketcher.labels if detector == "label" else (*sketcher.languages, "other languages")
    return _share_shift(detector, names, sketcher, window, reference)


def sentence(slice_name: str, signal: str, shift: Shift, monitor: Monitor) -> str:
    """Write the finding as one sentence with its numbers."""
    last = monitor.last
    said = ""
    if last:
        rows = f"{last.n}" if last.seen <= last.n else f"a random {last.n} of {last.seen}"
        said = f"n {rows}, p {last.p_value:.1e}, "
    against = " against accepted traffic" if is_against_accepted(signal) else ""
    return (
        f"{detector_of(signal)} on slice {slice_name} is {shift.direction}{against}: {shift.size} "
        f"({said}CUSUM {monitor.cusum.value:.1f} of {monitor.threshold:.1f})"
    )


def _measure_shift(detector: str, sketcher: Sketcher, window: Sample, reference: Sample) -> Shift:
    name, undo, style = _MEASURES[detector]
    column = sketcher.part("means").start + MEASURES.index(detector)
    mine, theirs = undo(float(window.mean[column])), undo(float(reference.mean[column]))
    direction = "up" if mine > theirs else "down"
    return Shift(direction, f"{name} {style.format(mine)}, was {style.format(theirs)}")


def _flag_shift(detector: str, sketcher: Sketcher, window: Sample, reference: Sample) -> Shift:
    column = sketcher.part("flags").start + FLAGS.index(detector)
    mine, theirs = window.mean[column], reference.mean[column]
    return Shift("up", f"share of {detector} texts {mine:.1%}, was {theirs:.1%}")


def _score_shift(sketcher: Sketcher, window: Sample, reference: Sample) -> Shift:
    """Name the label whose scores moved most."""
    gaps = {}
    for label in sketcher.scored:
        where = sketcher.part(f"score {label}")
        below = np.cumsum(window.mean[where] - reference.mean[where])
        gaps[label] = float(below[np.abs(below).argmax()])
    moved = max(gaps, key=lambda label: abs(gaps[label]))
    direction = "down" if gaps[moved] > 0 else "up"
    return Shift(direction, f"scores of {sketcher.labels[moved]}, {abs(gaps[moved]):.1%} of them")


def _share_shift(
    detector: str,
    names: Sequence[str],
    sketcher: Sketcher,
    window: Sample,
    reference: Sample,
) -> Shift:
    where = sketcher.part(detector)
    mine, theirs = window.mean[where], reference.mean[where]
    risen = int((mine - theirs).argmax())
    size = f"share of {names[risen]} {mine[risen]:.1%}, was {theirs[risen]:.1%}"
    return Shift(f"towards {names[risen]}", size)
