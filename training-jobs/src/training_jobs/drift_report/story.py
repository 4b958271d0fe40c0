"""What a week's facts mean: whether something changed, whether it matters, what to do. Pure.

The words are for somebody who has never seen a report: no statistic is named in the paragraph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from stats.false_discovery import discoveries

_TRAIN = "label texts of the weak Slices below, train on them, and let the Gates judge the result."
_MOST_NAMED = 3
_SHORT = 12
"""Characters of a digest that a person can compare."""
SIGNALS = {
    "embedding": "what the texts are about",
    "label": "how often each answer is given",
    "confidence": "how sure the model is",
    "length": "how long the texts are",
    "unknown_words": "how many words the model does not know",
    "non_letter": "how many characters are no letters",
}
_ACCEPTED = "accepted:"
"""How the drift-monitor's signals begin that compare with traffic that was accepted."""


class Level(Enum):
    """How much a week matters."""

    QUIET = "Nothing changed"
    CHANGED = "Changed, no harm seen"
    UNSURE = "Harm cannot be ruled out"
    HARM = "Users are harmed"


@dataclass(frozen=True)
class Story:
    """A week in words; `moved` are the signals worth a look, the most certain first."""

    level: Level
    paragraph: str
    actions: Sequence[str]
    moved: Sequence[Mapping[str, Any]]


def in_words(signal: str) -> str:
    """Say what a signal looks at, and beside what where that is not the validation set."""
    detector = signal.removeprefix(_ACCEPTED)
    against = "" if detector == signal else ", against accepted traffic"
    return SIGNALS.get(detector, detector) + against


def tell_story(facts: Mapping[str, Any]) -> Story:
    """Tell what happened to the version that answered most."""
    version = facts["versions"][0]
    whole = next(known for known in version["quality"] if known["slice"] == "all")
    findings = [f for f in facts["findings"] if f["digest"] == version["digest"]]
    level = _level(version["quality"], whole, findings)
    sentences = [
        _traffic(facts, version),
        _changes([f for f in findings if f["since"] >= facts["start"]], "Something changed"),
        _changes([f for f in findings if f["since"] < facts["start"]], "Still changed"),
        "" if findings else _unchanged(version),
        _quality(whole),
        _doubtful_slices(version["quality"]),
    ]
    actions = _actions(level, facts["model"], version, whole)
    moved = moved_signals(version["signals"])
    return Story(level, " ".join(filter(None, sentences)), actions, moved)


def moved_signals(signals: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the signals whose smallest p-value of the week stands out among all, at 10 %."""
    weekly = [min(1.0, signal["smallest_p"] * signal["windows"]) for signal in signals]
    found = discoveries(weekly)
    kept = [signal for signal, is_found in zip(signals, found, strict=True) if is_found]
    return sorted(kept, key=lambda signal: float(signal["smallest_p"]))


def measured_now(known: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what was measured with labels of this time; None if they are of an earlier one."""
    if known["measured"] is None or known["measured_until"] <= known["start"]:
        return None
    measured: Mapping[str, Any] = known["measured"]
    return measured


def day(moment: float) -> str:
    """Write a day as a person does."""
    return f"{datetime.fromtimestamp(moment, UTC):%-d %B %Y}"


def minute(moment: float) -> str:
    """Write a moment to the minute, in UTC."""
    return f"{datetime.fromtimestamp(moment, UTC):%-d %B, %H:%M}"


def short(digest: str) -> str:
    """Shorten a digest."""
    return digest.removeprefix("sha256:")[:_SHORT]


def _level(quality: Sequence[Any], whole: Mapping[str, Any], findings: Sequence[Any]) -> Level:
    if whole["degraded"]:
        return Level.HARM
    measured = measured_now(whole)
    if measured is not None and measured["upper"] < whole["floor"]:
        return Level.HARM
    if findings:
        doubtful = {known["slice"] for known in quality if known["may_be_harmed"]}
        in_doubt = whole["may_be_harmed"] or any(f["slice"] in doubtful for f in findings)
        return Level.UNSURE if in_doubt else Level.CHANGED
    known = measured or (whole["estimated"] if whole["trusted"] else None)
    return Level.UNSURE if known and known["upper"] < whole["floor"] else Level.QUIET


def _traffic(facts: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    told = (
        f"From {day(facts['start'])} to {day(facts['end'])} version {short(version['digest'])} of "
        f"{facts['model']} answered {version['rows']:,} texts"
    )
    before = version["rows_before"]
    if not before:
        return f"{told}; there is nothing before to compare that with."
    change = version["rows"] / before - 1
    return f"{told}, {abs(change):.0%} {'more' if change > 0 else 'fewer'} than in the time before."


def _changes(findings: Sequence[Mapping[str, Any]], begin: str) -> str:
    if not findings:
        return ""
    detectors = [f["detector"].removeprefix(_ACCEPTED) for f in findings]
    signals = list(dict.fromkeys(SIGNALS.get(name, name) for name in detectors))
    slices = list(dict.fromkeys(f["slice"] for f in findings))
    named = [name for name in slices if "=" in name] or slices
    where = f"on {_listed(named)}" if "all" not in named else "on all texts"
    since = minute(min(f["since"] for f in findings))
    return f"{begin} since {since} UTC: {_listed(_few(signals))}, most of all {where}."


def _unchanged(version: Mapping[str, Any]) -> str:
    if not version["signals"]:
        return "They were too few, or too short a time, to be compared."
    return "They were like those it was accepted on."


def _quality(whole: Mapping[str, Any]) -> str:
    promised = f"promised were at least {whole['floor']:.1%}"
    measured, estimated = measured_now(whole), whole["estimated"]
    if whole["degraded"]:
        return f"By labels of this quarter it is wrong more often than promised ({promised})."
    if measured is not None:
        right = f"{measured['lower']:.1%} to {measured['upper']:.1%}"
        return f"By {measured['n']} labelled texts {right} of its answers are right; {promised}."
    if not whole["trusted"]:
        return (
            f"How often it is right cannot be estimated: {whole['novelty']:.0%} of the texts are "
            f"unlike those it was accepted on, and nobody has labelled enough ({promised})."
        )
    right = f"{estimated['point']:.1%} ({estimated['lower']:.1%} to {estimated['upper']:.1%})"
    return f"Without labels its accuracy is estimated at {right}; {promised}."


def _doubtful_slices(quality: Sequence[Mapping[str, Any]]) -> str:
    doubtful = [q["slice"] for q in quality if q["may_be_harmed"] and q["slice"] != "all"]
    return f"Less sure is {_listed(doubtful)}." if doubtful else ""


def _actions(
    level: Level, model: str, version: Mapping[str, Any], whole: Mapping[str, Any]
) -> list[str]:
    label = _label_action(model, version["labelling"])
    match level:
        case Level.HARM:
            back = f"If the version is new, go back: isogloss rollout rollback {model}"
            return [back, f"Otherwise {_TRAIN}"]
        case Level.UNSURE:
            told = "Label the list: that measures what is only feared now."
            return [label or told, "Look at the findings below: is what sends these texts known?"]
        case Level.CHANGED:
            known = "If the change is here to stay, train on texts of it before it grows."
            return [*([label] if label and measured_now(whole) is None else []), known]
        case Level.QUIET:
            return [label] if label and measured_now(whole) is None else ["Nothing."]


def _label_action(model: str, labelling: Sequence[Mapping[str, Any]]) -> str | None:
    open_lists = [c for c in labelling if c["labelled"] < c["listed"]]
    if not open_lists:
        return None
    left = open_lists[-1]["listed"] - open_lists[-1]["labelled"]
    return f"Label the {left} texts that isogloss drift labels {model} names."


def _few(words: Sequence[str]) -> list[str]:
    more = len(words) - _MOST_NAMED
    return [*words[:_MOST_NAMED], f"{more} more signals"] if more > 1 else list(words)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
