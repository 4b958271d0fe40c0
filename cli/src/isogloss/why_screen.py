"""One screen that says why a version stands where it stands, and what would change that."""

from collections.abc import Mapping
from typing import Any

from isogloss.output import Table

_COLUMNS = ("gate", "outcome", "measure", "slice", "estimate", "interval", "limit", "n", "n needed")
_LIMITS = {"at_least": ">=", "at_most": "<=", "margin": "> -"}


def headline(name: str, answer: Mapping[str, Any]) -> str:
    """Say where the version stands and what its next move would be answered."""
    if answer["move"] is None:
        return f"{name} is in {answer['stage']}; there is nothing further."
    return f"{name} is in {answer['stage']}. {answer['move']}: {answer['verdict']['outcome']}"


def rule_table(answer: Mapping[str, Any]) -> Table:
    """Return every rule with its numbers."""
    rules = [finding for finding in answer["findings"] if "measure" in finding]
    return Table(_COLUMNS, [_row(finding) for finding in rules])


def remedies(answer: Mapping[str, Any]) -> list[str]:
    """Return a line for everything that does not PASS: what it is, and what would change it."""
    lines = []
    for finding in answer["findings"]:
        if finding["outcome"] == "PASS":
            continue
        what = finding["text"]
        if "measure" in finding:
            what = f"{finding['measure']} on slice {finding['slice']}"
        change = finding["change"] or "waived, so it does not count"
        lines.append(f"  {finding['outcome']} {finding['gate']}: {what}: {change}")
    return lines


def _row(finding: Mapping[str, Any]) -> list[str]:
    ((kind, limit),) = finding["limit"].items()
    needed = finding["rows_needed"] if finding["outcome"] == "INCONCLUSIVE" else None
    return [
        finding["gate"],
        finding["outcome"],
        finding["measure"],
        finding["slice"],
        _number(finding.get("point")),
        f"[{_number(finding.get('lower'))}, {_number(finding.get('upper'))}]",
        f"{_LIMITS[kind]}{' ' if kind != 'margin' else ''}{_number(limit)}",
        _number(finding.get("n")),
        _number(needed),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
