"""The report as one page of HTML that needs nothing else: no script, no font, no address. Pure.

Names of Slices come from callers, so whatever is not written here is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from training_jobs.drift_report.pictures import Band, Line, Picture
from training_jobs.drift_report.story import (
    Level,
    Story,
    day,
    in_words,
    measured_now,
    minute,
    short,
)

_MOST_LINES, _MOST_SIGNALS = 6, 4
_COLOURS = {
    Level.QUIET: "#2e8049",
    Level.CHANGED: "#1f5fa8",
    Level.UNSURE: "#a86a00",
    Level.HARM: "#b3261e",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:820px;
margin:2em auto;padding:0 1.2em}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.15em;margin:2em 0 .3em}
.when{color:#5a5a5a;margin:0 0 1.2em}.level{border-left:6px solid;padding:.1em 1em;
background:#f6f7f8;margin:1em 0}.level b{font-size:1.15em}
table{border-collapse:collapse;width:100%;margin:.5em 0;font-size:.93em}
th,td{text-align:left;padding:.3em .7em .3em 0;border-bottom:1px solid #e3e3e3;
vertical-align:top}td.n,th.n{text-align:right}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:#5a5a5a}
svg .end{text-anchor:end}svg .middle{text-anchor:middle}.grid{stroke:#ececec;fill:none}
.line{fill:none;stroke-width:1.8}path.limit{stroke:#b3261e;stroke-dasharray:2 3;fill:none}
svg text.limit{fill:#b3261e}
.legend{list-style:none;padding:0;margin:.2em 0 0;font-size:.88em;color:#444}
.legend li{display:inline-block;margin-right:1.2em}
.legend i{display:inline-block;width:.9em;height:.9em;margin-right:.4em;vertical-align:-.1em}
.note{color:#5a5a5a;font-size:.9em}.bad{color:#b3261e;font-weight:600}
dt{font-weight:600;margin-top:.6em}dd{margin:0}code{background:#f1f1f1;padding:0 .25em}
"""


def write_page(facts: Mapping[str, Any], story: Story) -> str:
    """Return the page of a report."""
    version = facts["versions"][0]
    findings = [f for f in facts["findings"] if f["digest"] == version["digest"]]
    sections = [
        _head(facts, story),
        _section("What was found", _findings(findings, story)),
        _section("How often it is right", _accuracy(facts, version)),
        _section("Slice by Slice", _slices(version)),
        _section("What it answers", _answers(facts, version)),
        _section("How far each signal has gone", _signals(facts, version)),
        _section("Texts unlike those it was accepted on", _novelty(facts, version)),
        _section("Labels", _labelling(version)),
        _section("Other versions in this time", _others(facts)),
        _section("How to read this", _glossary(facts, version)),
    ]
    title = escape(f"{facts['model']}: week to {day(facts['end'])}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _head(facts: Mapping[str, Any], story: Story) -> str:
    when = f"{minute(facts['start'])} to {minute(facts['end'])} UTC, {day(facts['end'])[-4:]}"
    actions = "".join(f"<li>{escape(action)}</li>" for action in story.actions)
    return (
        f"<h1>How {escape(facts['model'])} is doing</h1><p class='when'>{when}</p>"
        f"<div class='level' style='border-color:{_COLOURS[story.level]}'>"
        f"<p><b style='color:{_COLOURS[story.level]}'>{story.level.value}</b></p>"
        f"<p>{escape(story.paragraph)}</p><p><b>What to do</b></p><ul>{actions}</ul></div>"
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>{content}" if content else ""


def _findings(findings: Sequence[Mapping[str, Any]], story: Story) -> str:
    by_slice: dict[str, list[Mapping[str, Any]]] = {}
    for finding in sorted(findings, key=lambda f: float(f["since"])):
        by_slice.setdefault(finding["slice"], []).append(finding)
    rows = [
        (
            escape(name),
            "<br>".join(f"{escape(in_words(f['detector']))}: {escape(f['size'])}" for f in held),
            minute(held[0]["since"]),
            _woken(held),
        )
        for name, held in sorted(by_slice.items(), key=lambda each: -len(each[1]))
    ]
    heads = ("slice", "what changed, and how far", "since (UTC)", "who was told")
    table = _table(heads, rows)
    alarms = table if rows else "<p>No alarm: no signal went far enough, or long enough.</p>"
    named = {(f["detector"], f["slice"]) for f in findings}
    also = [m for m in story.moved if (m["detector"], m["slice"]) not in named]
    if not also:
        return alarms
    words = "; ".join(f"{in_words(m['detector'])} on {m['slice']}" for m in also[:8])
    return (
        f"{alarms}<p class='note'>Worth a look, though not alarms (one in ten of such is chance): "
        f"{escape(words)}.</p>"
    )


def _woken(findings: Sequence[Mapping[str, Any]]) -> str:
    pages = [f for f in findings if f["severity"] == "page"]
    if not pages:
        return "a ticket"
    return f"<span class='bad'>a page</span>: {escape(pages[0]['because'])}"


def _accuracy(facts: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    series = version["series"]
    estimated = [(p["start"], p["estimated"]) for p in series]
    whole = _whole(version)
    lines = [Line("estimated from how sure the model is", [(t, e["point"]) for t, e in estimated])]
    measured = measured_now(whole)
    bands = [Band("", [(t, e["lower"], e["upper"]) for t, e in estimated])]
    if measured is not None:
        ends = (facts["start"], min(facts["end"], whole["measured_until"]))
        name = f"measured with {measured['n']} labels"
        lines.append(Line(name, [(t, measured["point"]) for t in ends], dashed=True))
        bands.append(Band("", [(t, measured["lower"], measured["upper"]) for t in ends]))
    picture = _picture(facts, lines, bands, limits=[("promised", whole["floor"])], percent=True)
    note = (
        ""
        if whole["trusted"]
        else (
            "<p class='bad'>The estimate is not to be trusted: too many texts are unlike those it "
            "was learned from, and it is then too high.</p>"
        )
    )
    return picture.draw("Accuracy over time") + note


def _slices(version: Mapping[str, Any]) -> str:
    told = {each["slice"]: each for each in version["slices"]}
    rows = [
        (
            escape(q["slice"]),
            f"{told[q['slice']]['rows']:,}",
            f"{told[q['slice']]['rows'] / version['rows']:.0%}",
            f"{q['novelty']:.1%}",
            _interval(q["estimated"]) if q["trusted"] else "not to be trusted",
            _measured(q),
            f"{q['floor']:.1%}",
            "<span class='bad'>in doubt</span>" if q["may_be_harmed"] else "fine",
        )
        for q in sorted(version["quality"], key=lambda q: -told[q["slice"]]["rows"])
    ]
    heads = ("slice", "texts", "share", "novel", "estimated", "measured", "promised", "")
    return _table(heads, rows, numbers=(1, 2, 3))


def _measured(known: Mapping[str, Any]) -> str:
    if known["measured"] is None:
        return "too few labels"
    before = "" if measured_now(known) else f" before {day(known['measured_until'])}"
    return _interval(known["measured"]) + before


def _answers(facts: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    shares = version["reference"]["label_shares"]
    most = sorted(range(len(shares)), key=lambda i: -shares[i])[:_MOST_LINES]
    lines = [
        Line(
            f"{version['labels'][i]} (accepted with {shares[i]:.0%})",
            [(p["start"], p["label_shares"][i]) for p in version["series"]],
        )
        for i in most
    ]
    return _picture(facts, lines, percent=True, from_zero=True).draw("Share of each answer")


def _signals(facts: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    signals = [signal for signal in version["signals"] if signal["series"]]
    far = sorted(signals, key=lambda s: -max(p["cusum"] for p in s["series"]))[:_MOST_SIGNALS]
    if not far:
        return "<p>No Window had texts enough to be compared (200).</p>"
    lines = [
        Line(f"{s['detector']} on {s['slice']}", [(p["end"], p["cusum"]) for p in s["series"]])
        for s in far
    ]
    limits = [("alarm at", far[0]["threshold"])]
    note = (
        "<p class='note'>Each line adds up what a signal was off by, Window after Window; chance "
        "pulls it back to zero. After an alarm it begins anew.</p>"
    )
    picture = _picture(facts, lines, limits=limits, from_zero=True)
    return picture.draw("Cumulated deviation of the signals that went furthest") + note


def _novelty(facts: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    lines = [Line("all texts", [(p["start"], p["novelty"]) for p in version["series"]])]
    limits = [("no trust above", 0.05)]
    return _picture(facts, lines, limits=limits, percent=True, from_zero=True).draw("Novel texts")


def _labelling(version: Mapping[str, Any]) -> str:
    rows = [
        (
            day(c["cohort"]),
            str(c["listed"]),
            str(c["labelled"]),
            "-" if c["median_delay_seconds"] is None else _span(c["median_delay_seconds"]),
        )
        for c in version["labelling"]
    ]
    heads = ("texts from", "listed", "labelled", "median wait for a label")
    return _table(heads, rows, numbers=(1, 2)) if rows else "<p>No list has been made yet.</p>"


def _others(facts: Mapping[str, Any]) -> str:
    rows = [(short(v["digest"]), f"{v['rows']:,}") for v in facts["versions"][1:]]
    return _table(("version", "texts"), rows, numbers=(1,)) if rows else ""


def _glossary(facts: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    naive = version["naive_cosine"]
    reference = version["reference"]
    words = {
        "accepted on": f"the {reference['rows']:,} labelled texts that this version was let into "
        f"service with; it was right in {reference['accuracy']:.1%} of them.",
        "promised": f"that accuracy less {facts['accuracy_loss']:.0%}, on each Slice.",
        "estimated": "how often answers of such confidence were right then. It needs no labels, "
        "and holds for texts of the kind it was learned from only.",
        "measured": "from texts drawn at random and labelled by people, for all texts of their "
        "week; the interval holds the truth 19 times in 20.",
        "novel": "unlike nearly all of those texts, or with more unknown words; 1 % is normal.",
        "a naive rule": "the distance of mean embeddings, fixed at 0.08, says "
        + (f"{naive:.3f} of the last Window" if naive is not None else "nothing yet")
        + ". It mostly shows how few texts there were, and decides nothing.",
    }
    items = "".join(f"<dt>{word}</dt><dd>{escape(text)}</dd>" for word, text in words.items())
    return f"<dl>{items}</dl>"


def _picture(
    facts: Mapping[str, Any], lines: Sequence[Line], bands: Sequence[Band] = (), **more: Any
) -> Picture:
    return Picture(facts["start"], facts["end"], lines, bands, **more)


def _whole(version: Mapping[str, Any]) -> Mapping[str, Any]:
    whole: Mapping[str, Any] = next(q for q in version["quality"] if q["slice"] == "all")
    return whole


def _interval(bounds: Mapping[str, Any]) -> str:
    return f"{bounds['point']:.1%} ({bounds['lower']:.1%}-{bounds['upper']:.1%})"


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    def cell(kind: str, place: int, text: str) -> str:
        number = " class='n'" if place in numbers else ""
        return f"<{kind}{number}>{text}</{kind}>"

    def row(kind: str, cells: Sequence[str]) -> str:
        return f"<tr>{''.join(cell(kind, i, text) for i, text in enumerate(cells))}</tr>"

    return f"<table>{row('th', heads)}{''.join(row('td', cells) for cells in rows)}</table>"
